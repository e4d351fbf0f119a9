// Where a lock file that is not there yet would be made. Looks, which may hang.

#pragma once

#include <string>

#include "client/ctl/doctor/finding.hpp"

namespace locketctl {

struct Place {
  std::string file;    // absolute; where a symbolic link leads, if that is what there is
  std::string folder;  // of the file
};

Place place_of(const std::string& path);

// Whether it can be made there. `path` is how it was called.
Finding look_at(const Place& place, const std::string& path, const std::string& check);

}  // namespace locketctl
