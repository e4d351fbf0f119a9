// Standard input, output and error, as a program may lack them: `locketctl list >&-`.

#pragma once

namespace locket::proto {

// Fills those that are closed, so that no descriptor of ours becomes one of them: what the program
// prints would go to the daemon's socket, or into a file. Reading and writing still fail there, and
// a program that this one becomes does not have them either. First of all; not thread-safe.
void fill_standard_streams();

}  // namespace locket::proto
