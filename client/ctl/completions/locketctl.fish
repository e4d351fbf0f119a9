# Completion of locketctl for fish.

function __locketctl_command_is
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

# The words of `run` before the current one, from the lock file on.
function __locketctl_run_words
    set -l words (commandline -opc)[3..-1]
    while set -q words[1]
        switch $words[1]
            case -w --timeout -E --conflict-exit-code -c --command --reason
                set -e words[1]
                set -e words[1]
            case --
                set -e words[1]
                break
            case '-?*'
                set -e words[1]
            case '*'
                break
        end
    end
    set -q words[1]; and printf '%s\n' $words
end

function __locketctl_run_is_at_options
    __locketctl_command_is run; and not __locketctl_run_words >/dev/null
end

# Files for LOCK, and then what the command itself takes.
function __locketctl_complete_run
    if not __locketctl_run_words >/dev/null
        __fish_complete_path (commandline -ct)
        return
    end
    set -l words (__locketctl_run_words)[2..-1]
    switch "$words[1]"
        case --
            set -e words[1]
        case -c --command
            return
    end
    set -l line (string join -- ' ' (string escape -- $words) (commandline -ct))
    complete "--do-complete=$line"
end

complete -c locketctl -f

complete -c locketctl -n __fish_use_subcommand -s h -l help -d 'Print help and exit'
complete -c locketctl -n __fish_use_subcommand -l version -d 'Print the version and exit'
complete -c locketctl -n __fish_use_subcommand -a run -d 'Acquire a lock, then become a command that keeps it until it ends'
complete -c locketctl -n __fish_use_subcommand -a list -d 'Show who holds and who waits for which lock'
complete -c locketctl -n __fish_use_subcommand -a status -d 'Show the daemon\'s version, socket and counts'
complete -c locketctl -n __fish_use_subcommand -a doctor -d 'Check the installation, and what to expect of a lock file'

complete -c locketctl -n __locketctl_run_is_at_options -s h -l help -d 'Print help and exit'
complete -c locketctl -n __locketctl_run_is_at_options -s s -l shared -d 'Acquire a shared lock'
complete -c locketctl -n __locketctl_run_is_at_options -s x -l exclusive -d 'Acquire an exclusive lock (the default)'
complete -c locketctl -n __locketctl_run_is_at_options -s n -l nonblock -d 'Do not wait'
complete -c locketctl -n __locketctl_run_is_at_options -x -s w -l timeout -d 'Wait that long, then fail'
complete -c locketctl -n __locketctl_run_is_at_options -x -s E -l conflict-exit-code -d 'Exit status if the lock could not be acquired'
complete -c locketctl -n __locketctl_run_is_at_options -x -s c -l command -d 'Run this by the shell'
complete -c locketctl -n __locketctl_run_is_at_options -x -l reason -d 'What to tell others who want the lock'
complete -c locketctl -n __locketctl_run_is_at_options -l verbose -d 'Report waiting for and acquiring the lock'
complete -c locketctl -n '__locketctl_command_is run' -a '(__locketctl_complete_run)'

complete -c locketctl -n '__locketctl_command_is list' -s h -l help -d 'Print help and exit'
complete -c locketctl -n '__locketctl_command_is list' -l json -d 'Print one JSON object'
complete -c locketctl -n '__locketctl_command_is list' -l no-legend -d 'Print no column headings'
complete -c locketctl -n '__locketctl_command_is list' -F

complete -c locketctl -n '__locketctl_command_is status' -s h -l help -d 'Print help and exit'
complete -c locketctl -n '__locketctl_command_is status' -l json -d 'Print one JSON object'

complete -c locketctl -n '__locketctl_command_is doctor' -s h -l help -d 'Print help and exit'
complete -c locketctl -n '__locketctl_command_is doctor' -l json -d 'Print one JSON object'
complete -c locketctl -n '__locketctl_command_is doctor' -F
