# Completion of locketd for fish.

complete -c locketd -f
complete -c locketd -s h -l help -d 'Print help and exit'
complete -c locketd -l version -d 'Print the version and exit'
complete -c locketd -r -F -l socket -d 'Where to listen'
complete -c locketd -x -l log-level -a 'error warning info debug' -d 'What to log'
complete -c locketd -r -F -l config -d 'Read this configuration file'
complete -c locketd -l check-config -d 'Print all settings and where each comes from, and end'
complete -c locketd -l json -d 'With --check-config: print one JSON object'
complete -c locketd -x -l max-sessions-per-user -d 'Connections of a user'
complete -c locketd -x -l max-held-per-user -d 'Locks that a user holds'
complete -c locketd -x -l max-waiting-per-user -d 'Requests of a user that wait'
complete -c locketd -x -l max-text-per-user -d 'Bytes of paths and reasons of a user'
complete -c locketd -x -l max-descriptors-per-user -a auto -d 'Descriptors kept for a user'
