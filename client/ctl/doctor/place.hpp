// Where a lock file that does not exist yet would be created. These calls may hang.

#pragma once

#include <string>

#include "client/ctl/doctor/finding.hpp"

namespace locketctl {

struct Place {
  std::string file;    // absolute; the target if the path is a symbolic link
  std::string folder;  // of the file
};

Place place_of(const std::string& path);

// Whether the file can be created there. `path` is the name that was given for it.
Finding look_at(const Place& place, const std::string& path, const std::string& check);

}  // namespace locketctl
