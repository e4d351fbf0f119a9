// What locketctl's commands share: how they are registered, how they end, and how they report
// errors.

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

// Set by the chosen command. Takes the words that are not locketctl's own (see split_words) and
// returns the exit status.
using Action = std::function<int(const Words& words)>;

// Each adds its command to the application. One file per command.
void add_run(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);

// The error message if the first argument should be a command and is not.
std::optional<std::string> unknown_command(const CLI::App& app, const Words& arguments);

// Takes what follows the options of `run` out of the arguments: LOCK and COMMAND. Nothing in them
// is an option of ours, even if it looks like one.
Words split_words(const CLI::App& app, Words& arguments);

// "locketctl: TEXT" on standard error.
void complain(std::string_view text);

// Complains, and returns the status from sysexits(3) to exit with.
int fail(const locket::proto::Error& error);
int exit_status_of(locket::proto::Errc code);

}  // namespace locketctl
