// Lets a descriptor live on in the program that this process becomes.

#pragma once

namespace locket::client {

// False where there is no such descriptor.
[[nodiscard]] bool keep_open_across_exec(int descriptor);

}  // namespace locket::client
