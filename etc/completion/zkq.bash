# bash completion for zkq(1), its links (zkq-submit ...), zkq-dispatcher(8) and zkq-worker(8).
# The options stand here by hand; tests/guards/completion holds them and --help together.

# Options of a command, without those that all have.
_zkq_own()
{
	local task='--name= --queue= --priority= --time-limit= --kill-grace= --chdir= --env= --env-file= --stdin= --key= --shell='
	local log='--log-level= --log-format= --config= --check-config'

	case $1 in
	submit) echo "$task --file= --wait --follow --dry-run" ;;
	run) echo "$task" ;;
	status) echo '--queue= --state= --worker= --all --failed --since= --limit= --watch' ;;
	show) echo '--short' ;;
	wait) echo '--any --progress' ;;
	cancel) echo '--reason=' ;;
	update) echo '--priority= --time-limit=' ;;
	'queue delete') echo '--force --yes' ;;
	'queue pause') echo '--for= --reason=' ;;
	logs) echo '--follow --lines= --attempt= --stdout --stderr --timestamps --raw' ;;
	results) echo '--csv' ;;
	ping) echo '--wait' ;;
	'admin export') echo '--file=' ;;
	'admin import') echo '--file= --force' ;;
	'admin fsck') echo '--repair' ;;
	purge) echo '--path= --yes --recursive --dry-run --keep-newer-than= --rate= --force' ;;
	doctor) echo '--no-write' ;;
	dev) echo '--dispatchers= --workers= --slots= --open --pids=' ;;
	zkq-dispatcher) echo "--zk= --root= --auth-file= --name= --session-timeout= --http-address= $log" ;;
	zkq-worker) echo "--zk= --root= --auth-file= --name= --slots= --queues= --lost-after= --session-timeout= --state-dir=" \
	    "--work-dir= --drain-deadline= --http-address= $log" ;;
	'') echo '--check-config' ;;
	esac
}

# Options that all commands have; zkq dev connects to nothing of yours, daemons have their own.
_zkq_common()
{
	case $1 in
	zkq-*) ;;
	dev) echo '--json --output= --no-header --color= --utc' ;;
	*) echo '--zk= --root= --auth-file= --timeout= --config= --json --output= --no-header --color= --utc' ;;
	esac
	echo '--quiet --verbose --help --version'
}

# What may follow an option.
_zkq_value()
{
	case $1 in
	--auth-file | --config | --env-file | --file | --pids | --stdin | -c | -i) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$2")) ;;
	--chdir | --state-dir | --work-dir | -C) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$2")) ;;
	--color) COMPREPLY=($(compgen -W 'auto always never' -- "$2")) ;;
	--log-level) COMPREPLY=($(compgen -W 'error warning info debug' -- "$2")) ;;
	--log-format) COMPREPLY=($(compgen -W 'text json' -- "$2")) ;;
	--env | -e) COMPREPLY=($(compgen -e -- "$2")) ;;
	*) COMPREPLY=() ;;
	esac
}

_zkq()
{
	local commands='submit run status show explain wait logs cancel update results worker queue ping doctor purge admin dev help'
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]##*/} at=1 command= own i

	# "=" is a word of its own here: --color=al is "--color" "=" "al".
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	case $program in
	zkq-dispatcher | zkq-worker) command=$program ;;
	zkq-*) command=${program#zkq-} ;;
	*)
		[[ $COMP_CWORD -gt 1 ]] && command=${COMP_WORDS[1]} && at=2
		[[ $command == -* ]] && command=
		;;
	esac
	if [[ $command == help ]]; then
		COMPREPLY=($(compgen -W "$commands" -- "$cur"))
		return
	fi
	case $command in
	worker | queue | admin)
		local words=list
		[[ $command == admin ]] && words='export import fsck'
		[[ $command == queue ]] && words='list show create pause resume delete'
		if [[ $COMP_CWORD -eq $at && $cur != -* ]]; then
			COMPREPLY=($(compgen -W "$words" -- "$cur"))
			return
		fi
		if [[ ${COMP_WORDS[at]} == -* || $COMP_CWORD -eq $at ]]; then
			command+=' list'
		else
			command+=" ${COMP_WORDS[at]}"
		fi
		;;
	esac
	# After "--", or after the first word of a command to be run, nothing is ours.
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			compopt -o bashdefault -o default 2>/dev/null
			return
		fi
	done
	own=" $(_zkq_own "$command") $(_zkq_common "$command") "
	own=${own//$'\n'/ }
	if [[ $prev == --* && $own == *" $prev= "* ]] || [[ $prev == -[ciCe] && $own == *" --config= "* ]]; then
		_zkq_value "$prev" "$cur"
	elif [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$own" -- "$cur"))
		[[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
	elif [[ -z $command ]]; then
		COMPREPLY=($(compgen -W "$commands" -- "$cur"))
	else
		compopt -o bashdefault -o default 2>/dev/null
	fi
	return 0
}

complete -F _zkq zkq zkq-admin zkq-cancel zkq-dev zkq-dispatcher zkq-doctor zkq-explain zkq-logs zkq-ping zkq-purge zkq-queue zkq-results zkq-run zkq-show zkq-status zkq-submit zkq-update zkq-wait \
    zkq-worker
