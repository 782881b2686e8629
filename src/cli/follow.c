#include "config.h"

#include "cli/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/output.h"
#include "base/terminal.h"
#include "cli/cli.h"
#include "cli/info.h"

static struct {
	char id[ZKQ_ID_SIZE];
	bool owner;
	volatile sig_atomic_t interrupted;
	unsigned cancel_s;	/* how long a cancel may take */
	struct terminal_stream out, err;
	int code;
	bool ended;
	uint64_t shown, size, dropped;	/* bytes of the last attempt's output; size and dropped are known at its end */
} state;

/* Another process asks for the cancel, so that this one can go on following until the task has ended. Safe in a signal
 * handler: only alarm, _Fork, execve and write. */
static void
request_cancel(const char *reason)
{
	char *argv[] = { "zkq-cancel", "--quiet", "--reason", (char *)reason, "-z", (char *)settings.zk, "--root",
		(char *)settings.root, "--", state.id, settings.auth_file ? "--auth-file" : NULL, NULL, NULL };

	/* Options go before "--". */
	if (settings.auth_file) {
		argv[8] = "--auth-file";
		argv[9] = (char *)settings.auth_file;
		argv[10] = state.id;
	}
	alarm(state.cancel_s);
	pid_t pid = _Fork();
	if (pid != 0)
		return;
	signal(SIGINT, SIG_IGN);
	execve("/proc/self/exe", argv, environ);
	_exit(EXIT_SOFTWARE);
}

/* Nobody has fulfilled the cancel: its dispatchers or its worker are down. */
static void
on_alarm(int signal_number)
{
	static const char late[] = "zkq: the task has not ended: its cancel is requested and takes effect when a dispatcher and its "
	    "worker are back\n";

	(void)signal_number;
	if (write(STDERR_FILENO, late, sizeof late - 1) < 0)
		_exit(EXIT_OURS);
	_exit(EXIT_OURS);
}

static void
on_signal(int signal_number)
{
	static const char cancelling[] = "zkq: cancelling the task; once more: do not wait for its end\n";
	static const char goes_on[] = "zkq: the task goes on\n";
	static const char ending[] = "zkq: its cancel has been requested; it ends within its kill grace\n";
	int saved = errno;

	if (!state.owner || state.interrupted) {
		bool asked = state.interrupted;

		if (write(STDERR_FILENO, asked ? ending : goes_on, (asked ? sizeof ending : sizeof goes_on) - 1) < 0)
			saved = errno;
		_exit(EXIT_SIGNAL + signal_number);
	}
	state.interrupted = 1;
	if (write(STDERR_FILENO, cancelling, sizeof cancelling - 1) < 0)
		saved = errno;
	request_cancel("interrupted");
	errno = saved;
}

static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = on_alarm;
	sigaction(SIGALRM, &action, NULL);
}

void
follow_json(int stream, const void *data, size_t size)
{
	struct jsonout json;

	if (size == 0)
		return;
	info_json_line(&json, "zkq.output/1");
	jsonout_string(&json, "stream", stream == 2 ? "stderr" : "stdout");
	jsonout_bytes(&json, "data", data, size);
	jsonout_end(&json);
	fflush(stdout);
}

static void
flush_streams(void)
{
	if (settings.json)
		return;
	terminal_stream_write(&state.out, NULL, 0);
	terminal_stream_write(&state.err, NULL, 0);
	fflush(stdout);
}

/* Output of two attempts in one stream: its reader must be able to know. */
static void
say_again(int attempt)
{
	flush_streams();
	cli_say("%s: started again, attempt %d%s", state.id, attempt, state.shown ? "; the output so far is of an earlier one" : "");
	state.shown = 0;
}

static void
say_what_is_missing(int missed)
{
	if (missed > 0 && state.shown < state.size)
		cli_say("%s: some output could not be fetched from its worker: %" PRIu64 " of %" PRIu64 " bytes are shown", state.id,
		    state.shown, state.size);
	else if (missed > 0)
		cli_say("%s: some output could not be fetched from its worker", state.id);
	if (state.dropped > 0)
		cli_say("%s: %" PRIu64 " bytes of its output were dropped: disk of its worker full, or more than that keeps",
		    state.id, state.dropped);
}

static void
take_output(void *context, int stream, const void *data, size_t size)
{
	struct terminal_stream *to = stream == 2 ? &state.err : &state.out;

	(void)context;
	if (stream == 0) {
		say_again((int)size);
		return;
	}
	state.shown += size;
	if (settings.json) {
		follow_json(stream, data, size);
	} else {
		terminal_stream_write(to, size ? data : NULL, size);
		fflush(to->out);
	}
	if (output_broken() && state.owner && !state.interrupted) {
		state.interrupted = 1;
		request_cancel("nobody reads its output");
	}
}

void
follow_say(const struct zkq_info *info)
{
	char word[32], outcome[INFO_TEXT];
	bool plain = info_exit(info) != EXIT_OURS && info->signal == 0 && !info->reason && strcmp(info->state, "timeout") != 0;

	if (settings.quiet || (plain && !settings.verbose))
		return;
	info_outcome(info, outcome);
	cli_say("%s: %s%s%s", info->id, info_state(info, word), *outcome ? ": " : "", outcome);
}

static void
take_result(void *context, int index, int error, const struct zkq_info *info)
{
	struct jsonout json;

	(void)context;
	(void)index;
	state.ended = true;
	if (error != ZKQ_OK) {
		state.code = cli_fail(EXIT_OURS, cli_error_word(error), state.id, true, "%s: %s", state.id, zkq_strerror(error));
		return;
	}
	state.code = info_exit(info);
	state.size = info->stdout_bytes + info->stderr_bytes;
	state.dropped = info->dropped_bytes;
	if (settings.json) {
		info_json_line(&json, "zkq.wait/1");
		info_json(&json, info);
		jsonout_end(&json);
	}
	follow_say(info);
}

int
follow_task(struct zkq *handle, const char *id, bool output, bool owner, int64_t kill_grace_ms)
{
	int64_t cancel_s = (kill_grace_ms + settings.timeout_ms) / 1000 + 1;
	int timeout_ms = settings.timeout_given ? cli_left() : -1, missed = 0;
	int error;

	snprintf(state.id, sizeof state.id, "%s", id);
	state.owner = owner;
	state.cancel_s = cancel_s < INT_MAX ? (unsigned)cancel_s : INT_MAX;
	state.out = (struct terminal_stream){ .out = stdout, .raw = !isatty(STDOUT_FILENO) };
	state.err = (struct terminal_stream){ .out = stderr, .raw = !isatty(STDERR_FILENO) };
	catch_signals();
	if (output)
		error = zkq_follow_wait(handle, id, timeout_ms, take_output, take_result, NULL, &missed);
	else
		error = zkq_wait_wait(handle, id, timeout_ms, take_result, NULL);
	if (output)
		flush_streams();
	fflush(stdout);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (output)
		say_what_is_missing(missed);
	if (state.ended)
		return state.code;
	if (error == ZKQ_ETIMEOUT)
		return cli_fail_waited(id, "%s: not ended in time; the task goes on", id);
	cli_fail_error(error, id, NULL);
	cli_say("the task goes on: zkq wait %s", id);
	return EXIT_OURS;
}
