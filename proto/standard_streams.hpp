// Standard input, output and error, which a program may lack: `locketctl list >&-`.

#pragma once

namespace locket::proto {

// Fills those that are closed, so that no descriptor of ours becomes one of them: what the program
// prints would go to the daemon's socket, or into a file. Reading and writing them still fails, and
// a program that this one becomes does not have them either. Must be the first call; not
// thread-safe.
void fill_standard_streams();

}  // namespace locket::proto
