// What the commands of locketctl share: how they are registered, how they end, and how they
// complain.

#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/errors.hpp"

namespace locketctl {

using Words = std::vector<std::string>;

// Set by the command that was chosen. Takes the words that are not locketctl's (see split_words)
// and returns the exit status.
using Action = std::function<int(const Words& words)>;

// Each adds its command to the application. One file a command.
void add_run(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);

// What to say where the first argument ought to be a command and is none.
std::optional<std::string> unknown_command(const CLI::App& app, const Words& arguments);

// Takes what follows the options of `run` out of the arguments: LOCK and COMMAND, of which not even
// what looks like an option is ours.
Words split_words(const CLI::App& app, Words& arguments);

// "locketctl: TEXT" on standard error.
void complain(std::string_view text);

// Complains, and says by which status of sysexits(3) to end.
int fail(const locket::proto::Error& error);
int exit_status_of(locket::proto::Errc code);

}  // namespace locketctl
