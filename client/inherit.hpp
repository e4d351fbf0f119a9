// Keeps a descriptor open in the program that this process becomes.

#pragma once

namespace locket::client {

// False if there is no such descriptor.
[[nodiscard]] bool keep_open_across_exec(int descriptor);

}  // namespace locket::client
