// How many descriptors this process has open, and how many it may have. Every session and every
// claim costs some.

#pragma once

#include <cstdint>

namespace locketd {

// Raises the soft limit to the hard one, if possible: select(2), which the soft limit protects, is
// used nowhere (systemd.exec(5), LimitNOFILE).
void raise_descriptor_limit();

std::uint64_t descriptor_limit();

// Counted in /proc/self/fd; 0 if there is no /proc.
std::uint64_t descriptors_open();

}  // namespace locketd
