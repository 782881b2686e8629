/*
 * The runner, driven through its socket by a test in the coordinator's place: how attempts start, what they find, how
 * they end, and that nothing of them is left. The runner is a process of its own, as in life.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/cgroup.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/process.h"
#include "worker/message.h"
#include "worker/runner.h"

int open_directory(const char *path);	/* test_runner_files.c: core/plan.h and sys/stat.h do not go together */
long long file_size(const char *path);
bool small_disk(void);
int limit_files(int pid, unsigned long count);

#define DEADLINE_MS 20000

static char dir[] = "/tmp/zkq-runner-XXXXXX";
static char socket_path[sizeof dir + 16];
static pid_t runner_pid;
static int fd = -1;
static struct arena arena;
static uint64_t next_n = 1;
static bool without_cgroup;
static char own_inc[INC_MAX + 1] = "xxxxxxxx";

/* ---- the runner's process ---- */

static void
on_connection(void *context, int listener)
{
	runner_attach(context, accept(listener, NULL, NULL));
}

static void
finished(void *context, int code)
{
	(void)context;
	_exit(code);
}

static void __attribute__((noreturn))
be_runner(int listener)
{
	struct event_base *base = loop_new();
	struct runner_conf conf = {
		.host = "here", .work_dir = dir, .log_token = "secret", .logs_fd = open_directory(dir),
		.without_cgroup = without_cgroup, .finished = finished,
	};
	struct runner *runner = runner_new(base, &conf);

	signal(SIGPIPE, SIG_IGN);
	/* A test that fails leaves without a word. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!runner)
		_exit(99);
	loop_readable(base, listener, on_connection, runner);
	loop_run(base);
	_exit(98);
}

/* ---- the coordinator's place ---- */

static void
send_message(const struct message *message)
{
	size_t len;
	const char *data = message_encode(&arena, message, &len);
	uint32_t prefix = (uint32_t)len;

	ck_assert_int_eq(write(fd, &prefix, sizeof prefix), sizeof prefix);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
}

static void
read_all(void *data, size_t len)
{
	int64_t deadline = clock_boot_ms() + DEADLINE_MS;
	char *at = data;

	while (len > 0) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		ck_assert_msg(poll(&poll_fd, 1, (int)(deadline - clock_boot_ms())) == 1, "the runner does not answer");
		ssize_t got = read(fd, at, len);
		ck_assert_msg(got > 0, "the runner has hung up");
		at += got;
		len -= (size_t)got;
	}
}

/* The next message, which must be of that kind. */
static struct message
expect(enum message_kind kind)
{
	struct message message;
	uint32_t len;

	read_all(&len, sizeof len);
	char *data = malloc(len);
	read_all(data, len);
	ck_assert(message_decode(&arena, data, len, &message));
	free(data);
	ck_assert_int_eq(message.kind, kind);
	return message;
}

static struct message
attach(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct message message = { .kind = MSG_ATTACH };

	if (fd >= 0)
		close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, socket_path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	send_message(&message);
	message = expect(MSG_HELLO);
	memcpy(own_inc, message.hello.inc, sizeof own_inc);
	return message;
}

static void
setup(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(socket_path, sizeof socket_path, "%s/socket", dir);
	strcpy(address.sun_path, socket_path);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	runner_pid = fork();
	if (runner_pid == 0)
		be_runner(listener);
	close(listener);
	attach();
}

static void
setup_without_cgroup(void)
{
	without_cgroup = true;
	setup();
}

static void
teardown(void)
{
	char command[sizeof dir + 16], group[32];
	struct message message = { .kind = MSG_EXIT };
	int status;

	if (runner_pid > 0) {
		message.number = 7;
		send_message(&message);
		ck_assert_int_eq(waitpid(runner_pid, &status, 0), runner_pid);
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), 7);
	}
	close(fd);
	arena_free(&arena);
	snprintf(group, sizeof group, "zkq-%s", own_inc);
	int64_t deadline = clock_boot_ms() + DEADLINE_MS;
	while (!cgroup_sweep(group) && clock_boot_ms() < deadline)
		poll(NULL, 0, 1);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* A task that the shell runs. */
static struct message
task(const char *script)
{
	struct message message = { .kind = MSG_START };
	struct task_name name = { .priority = 5, .seq = 17 };
	struct fence fence = { .czxid = 1, .counter = next_n };
	const char **argv = arena_alloc(&arena, 4 * sizeof *argv);
	const char **env = arena_alloc(&arena, 1 * sizeof *env);

	snprintf(name.token, sizeof name.token, "tttttttt%04llu", (unsigned long long)next_n);
	message.start.claim = node_claim("w1", own_inc, next_n++, "default", 4, &name, 1, fence);
	argv[0] = "sh";
	argv[1] = "-c";
	argv[2] = script;
	message.start.spec.argv = argv;
	message.start.spec.env = env;
	message.start.spec.kill_grace_ms = 100;
	return message;
}

static struct outcome
run_message(const struct message *message)
{
	send_message(message);
	struct message answer = expect(MSG_STARTED);
	ck_assert_int_eq(answer.number, message->start.claim.n);
	answer = expect(MSG_ENDED);
	ck_assert_int_eq(answer.ended.n, message->start.claim.n);
	return answer.ended.outcome;
}

static struct outcome
run(const char *script)
{
	struct message message = task(script);

	return run_message(&message);
}

static bool
runs(pid_t pid)
{
	struct process process;

	return process_read(pid, &process) && process.state != 'Z';
}

static void
wait_gone(pid_t pid)
{
	int64_t deadline = clock_boot_ms() + DEADLINE_MS;

	while (runs(pid)) {
		ck_assert_msg(clock_boot_ms() < deadline, "process %d still runs", (int)pid);
		poll(NULL, 0, 1);
	}
}

/* The number that the task has written to a file, once it is there. */
static pid_t
pid_in(const char *name)
{
	char path[256];
	int64_t deadline = clock_boot_ms() + DEADLINE_MS;
	int pid;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	for (;;) {
		FILE *file = fopen(path, "r");
		int got = file ? fscanf(file, "%d", &pid) : 0;
		if (file)
			fclose(file);
		if (got == 1)
			return pid;
		ck_assert_msg(clock_boot_ms() < deadline, "%s is not written", path);
		poll(NULL, 0, 1);
	}
}

/* ---- tests ---- */

START_TEST(exits)
{
	struct outcome outcome = run("exit 0");

	ck_assert_int_eq(outcome.state, STATE_DONE);
	ck_assert(outcome.has_exit);
	ck_assert_int_eq(outcome.exit_code, 0);
	ck_assert(outcome.log_complete);
	ck_assert_ptr_null(outcome.reason);
	ck_assert_int_gt(outcome.started_wall_ms, 0);
	ck_assert_int_ge(outcome.ended_wall_ms, outcome.started_wall_ms);
	ck_assert_int_gt(outcome.max_rss_bytes, 0);
	outcome = run("exit 3");
	ck_assert_int_eq(outcome.state, STATE_FAILED);
	ck_assert_int_eq(outcome.exit_code, 3);
	outcome = run("kill -9 $$");
	ck_assert_int_eq(outcome.state, STATE_FAILED);
	ck_assert(!outcome.has_exit);
	ck_assert_int_eq(outcome.signal, 9);
}
END_TEST

START_TEST(not_started)
{
	struct message message = task("");
	const char *argv[] = { "no-such-command-anywhere", NULL };
	struct outcome outcome;

	message.start.spec.argv = argv;
	outcome = run_message(&message);
	ck_assert_int_eq(outcome.state, STATE_FAILED);
	ck_assert_int_eq(outcome.exit_code, 127);
	ck_assert_str_eq(outcome.reason, "exec: No such file or directory");
	message = task("");
	argv[0] = "/etc/passwd";
	message.start.spec.argv = argv;
	outcome = run_message(&message);
	ck_assert_int_eq(outcome.exit_code, 126);
	ck_assert_str_eq(outcome.reason, "exec: Permission denied");
	message = task("true");
	message.start.spec.cwd = "/no/such/directory";
	outcome = run_message(&message);
	ck_assert_int_eq(outcome.exit_code, 126);
	ck_assert_str_eq(outcome.reason, "chdir: No such file or directory");
}
END_TEST

/* The machine refuses another process: the task is not to blame, and the machine is not pressed. */
START_TEST(no_process)
{
	struct message message = task("exit 0");

	message.start.spec.cwd = dir;
	ck_assert_int_eq(limit_files(runner_pid, 3), 0);
	int64_t began = clock_boot_ms();
	send_message(&message);
	struct message answer = expect(MSG_ENDED);
	ck_assert_int_eq(answer.ended.outcome.state, STATE_LOST);
	ck_assert_str_eq(answer.ended.outcome.reason, "spawn");
	ck_assert_int_eq(answer.ended.outcome.started_wall_ms, 0);
	ck_assert_int_ge(clock_boot_ms() - began, 900);
	ck_assert_int_eq(limit_files(runner_pid, 1000), 0);
	ck_assert_int_eq(run("exit 0").state, STATE_DONE);
}
END_TEST

START_TEST(nothing_to_start)
{
	struct message message = task(""), answer;

	message.start.spec.argv = NULL;
	message.start.spec.noop = true;
	send_message(&message);
	answer = expect(MSG_ENDED);
	ck_assert_int_eq(answer.ended.outcome.state, STATE_DONE);
	ck_assert_int_eq(answer.ended.outcome.exit_code, 0);
	message = task("");
	message.start.invalid = "argv: missing";
	send_message(&message);
	answer = expect(MSG_ENDED);
	ck_assert_int_eq(answer.ended.outcome.state, STATE_FAILED);
	ck_assert_str_eq(answer.ended.outcome.reason, "argv: missing");
}
END_TEST

/* What a task finds: nothing of ours but what is named. */
START_TEST(surroundings)
{
	struct message message = task("env | sort; umask; ulimit -c; ls /proc/self/fd | tr '\\n' ' '; pwd; cat;"
	    " cut -d' ' -f5,6 /proc/$$/stat; echo $$ $$; grep -E 'SigBlk|SigIgn' /proc/self/status");
	const char *env[] = { "COLOR=red", "ZKQ_ID=forged", "LANG=de_DE", NULL };
	char expected[2048];

	message.start.spec.env = env;
	message.start.spec.name = "label";
	message.start.spec.input = "in\n";
	message.start.spec.input_len = 3;
	struct outcome outcome = run_message(&message);
	ck_assert_int_eq(outcome.state, STATE_DONE);
	char *tail = arena_copy(&arena, outcome.tail, outcome.tail_len), *rest = strstr(tail, "0077\n");
	ck_assert_ptr_nonnull(rest);
	/* Descriptor 3 is the directory that ls reads. */
	snprintf(expected, sizeof expected, "0077\n0\n0 1 2 3 %s\nin\n", dir);
	ck_assert_msg(strncmp(rest, expected, strlen(expected)) == 0, "%s", tail);
	int group, session, pid, again;
	ck_assert_int_eq(sscanf(rest + strlen(expected), "%d %d %d %d", &group, &session, &pid, &again), 4);
	ck_assert_int_eq(group, pid);
	ck_assert_int_eq(session, pid);
	ck_assert_msg(strstr(tail, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n") != NULL, "%s", rest);
	*rest = '\0';
	ck_assert_ptr_nonnull(strstr(tail, "COLOR=red\n"));
	ck_assert_ptr_nonnull(strstr(tail, "LANG=de_DE\n"));
	ck_assert_ptr_nonnull(strstr(tail, "PATH=/"));
	snprintf(expected, sizeof expected, "ZKQ_ATTEMPT=1\nZKQ_FENCE=0000000000000001%016x\nZKQ_ID=default.4.%s\n"
	    "ZKQ_INC=%s\nZKQ_NAME=label\nZKQ_QUEUE=default\nZKQ_WORKER=w1\n", 1, message.start.claim.task.token, own_inc);
	ck_assert_msg(strstr(tail, expected) != NULL, "%s", tail);
	/* PWD, OLDPWD, SHLVL and _ are the shell's own; HOME and TZ may be there or not. */
	for (char *line = strtok(tail, "\n"); line; line = strtok(NULL, "\n")) {
		char name[64];
		snprintf(name, sizeof name, " %.*s ", (int)strcspn(line, "="), line);
		ck_assert_msg(strstr(" COLOR LANG PATH PWD OLDPWD SHLVL _ HOME TZ ZKQ_ATTEMPT ZKQ_FENCE ZKQ_ID ZKQ_INC ZKQ_NAME"
		    " ZKQ_QUEUE ZKQ_WORKER ", name) != NULL, "%s", line);
	}
}
END_TEST

START_TEST(time_limit)
{
	struct message message = task("sleep 1000");

	message.start.spec.time_limit_ms = 50;
	struct outcome outcome = run_message(&message);
	ck_assert_int_eq(outcome.state, STATE_TIMEOUT);
	ck_assert_str_eq(outcome.reason, "timeout");
	ck_assert_int_eq(outcome.signal, SIGTERM);
	message = task("trap '' TERM; sleep 1000; sleep 1000");
	message.start.spec.time_limit_ms = 50;
	outcome = run_message(&message);
	ck_assert_int_eq(outcome.state, STATE_TIMEOUT);
	ck_assert_int_eq(outcome.signal, SIGKILL);
	ck_assert_msg(outcome.run_seconds >= 0.15 && outcome.run_seconds < 10, "%f s", outcome.run_seconds);
}
END_TEST

START_TEST(stopped)
{
	struct message message = task("kill -STOP $$"), kill_message = { .kind = MSG_KILL };

	send_message(&message);
	expect(MSG_STARTED);
	kill_message.kill.n = message.start.claim.n;
	kill_message.kill.state = STATE_CANCELLED;
	kill_message.kill.reason = "cancelled";
	kill_message.kill.grace_ms = -1;
	send_message(&kill_message);
	struct outcome outcome = expect(MSG_ENDED).ended.outcome;
	ck_assert_int_eq(outcome.state, STATE_CANCELLED);
	ck_assert_str_eq(outcome.reason, "cancelled");
	ck_assert_int_eq(outcome.signal, SIGTERM);
}
END_TEST

static const char *const daemons[] = {
	/* in the background, in a session of its own, twice removed, with an environment wiped, and all that stopped */
	"sleep 1000 & echo $! > left",
	"setsid sleep 1000 & echo $! > left",
	"(setsid sh -c 'echo $$ > left; exec sleep 1000' &) ; while ! [ -s left ]; do :; done",
	"(env -i /usr/bin/setsid /bin/sh -c 'echo $$ > left; exec sleep 1000' &) ; while ! [ -s left ]; do :; done",
	"(setsid sh -c 'trap \"\" TERM HUP; echo $$ > left; kill -STOP $$' &) ; while ! [ -s left ]; do :; done",
};

START_TEST(left_overs)
{
	char path[256];

	struct outcome outcome = run(daemons[_i]);
	pid_t left = pid_in("left");
	ck_assert(!runs(left));
	ck_assert_int_eq(outcome.state, STATE_DONE);
	snprintf(path, sizeof path, "%s/left", dir);
	unlink(path);
	/* Another's background process is left alone while its own task runs. */
	struct message other = task("setsid sleep 1000 & echo $! > other; wait");
	send_message(&other);
	expect(MSG_STARTED);
	pid_t kept = pid_in("other");
	struct message message = task(daemons[_i]);
	send_message(&message);
	expect(MSG_STARTED);
	ck_assert_int_eq(expect(MSG_ENDED).ended.n, message.start.claim.n);
	left = pid_in("left");
	ck_assert(runs(kept));
	struct message kill_message = { .kind = MSG_KILL };
	kill_message.kill.n = other.start.claim.n;
	kill_message.kill.state = STATE_CANCELLED;
	send_message(&kill_message);
	ck_assert_int_eq(expect(MSG_ENDED).ended.n, other.start.claim.n);
	ck_assert(!runs(kept));
	ck_assert(!runs(left));
}
END_TEST

START_TEST(much_output)
{
	struct message message = task("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo end");
	char path[256];

	struct outcome outcome = run_message(&message);
	ck_assert_int_eq(outcome.state, STATE_DONE);
	ck_assert_int_eq(outcome.stdout_bytes, 100000005);
	ck_assert_int_eq(outcome.dropped_bytes, 100000005 - 65 * 1024 * 1024);
	ck_assert_int_eq(outcome.tail_len, 4096);
	ck_assert_int_eq(memcmp(outcome.tail + 4096 - 6, "x\nend\n", 6), 0);
	snprintf(path, sizeof path, "%s/default.4.%s/1.stdout", dir, message.start.claim.task.token);
	ck_assert_int_eq(file_size(path), 65 * 1024 * 1024 + (int)strlen("\n[zkq: 31842565 bytes dropped]\n"));
}
END_TEST

/* A process that holds the pipe open after the end is killed; it is not waited for. */
START_TEST(held_pipe)
{
	struct outcome outcome = run("echo before; (setsid sh -c 'sleep 1000; echo after' &)");

	ck_assert_int_eq(outcome.state, STATE_DONE);
	ck_assert_int_eq(outcome.stdout_bytes, 7);
}
END_TEST

START_TEST(lease)
{
	struct message message = task("setsid sleep 1000 & echo $! > left; wait"), answer;

	message.start.exclusive = true;
	send_message(&message);
	answer = expect(MSG_ENDED);
	ck_assert_int_eq(answer.ended.outcome.state, STATE_LOST);
	ck_assert_str_eq(answer.ended.outcome.reason, "lease");
	/* Held for a while, then no word from the coordinator, which is still attached. */
	struct message renewal = { .kind = MSG_LEASE };
	renewal.lease.kill_by_ms = clock_boot_ms() + 1000;
	send_message(&renewal);
	int64_t kill_by = renewal.lease.kill_by_ms;
	struct message forever = task("while ! [ -e stop ]; do sleep 0.01; done");
	send_message(&forever);
	expect(MSG_STARTED);
	message.start.claim.n = next_n++;
	send_message(&message);
	expect(MSG_STARTED);
	pid_t left = pid_in("left");
	answer = expect(MSG_ENDED);
	ck_assert_int_eq(answer.ended.n, message.start.claim.n);
	ck_assert_int_ge(clock_boot_ms(), kill_by);
	ck_assert_int_lt(clock_boot_ms(), kill_by + 2000);
	ck_assert_int_eq(answer.ended.outcome.state, STATE_LOST);
	ck_assert_str_eq(answer.ended.outcome.reason, "lease");
	ck_assert(!runs(left));
	/* Renewed, it starts again; the one that is not exclusive has not noticed anything. */
	renewal.lease.kill_by_ms = clock_boot_ms() + 60000;
	send_message(&renewal);
	message = task("touch stop");
	message.start.exclusive = true;
	send_message(&message);
	expect(MSG_STARTED);
	ck_assert_int_eq(expect(MSG_ENDED).ended.outcome.state, STATE_DONE);
	ck_assert_int_eq(expect(MSG_ENDED).ended.outcome.state, STATE_DONE);
}
END_TEST

/* The coordinator dies and comes back: it finds the incarnation, the registration and the attempts again. */
START_TEST(reattach)
{
	struct message hello = attach();
	struct message registered = { .kind = MSG_REGISTERED }, forget = { .kind = MSG_FORGET };
	char inc[INC_MAX + 1];

	memcpy(inc, hello.hello.inc, sizeof inc);
	ck_assert_int_eq(strlen(inc), INC_MAX);
	ck_assert_int_eq(hello.hello.r, 0);
	ck_assert_int_eq(hello.hello.count, 0);
	ck_assert_int_eq(hello.hello.process.pid, runner_pid);
	ck_assert_str_eq(hello.hello.log_token, "secret");
	registered.lease.r = 3;
	send_message(&registered);
	struct message short_one = task("echo $$ > short; exit 9"), long_one = task("echo $$ > long; sleep 1000");
	send_message(&short_one);
	send_message(&long_one);
	pid_t short_pid = pid_in("short"), long_pid = pid_in("long");
	/* Dies with messages to it unread. */
	wait_gone(short_pid);
	for (bool ended = false; !ended;) {
		hello = attach();
		ck_assert_str_eq(hello.hello.inc, inc);
		ck_assert_int_eq(hello.hello.r, 3);
		ck_assert_int_eq(hello.hello.count, 2);
		ended = hello.hello.attempts[0].ended;
	}
	ck_assert_int_eq(hello.hello.attempts[0].claim.n, short_one.start.claim.n);
	ck_assert_str_eq(hello.hello.attempts[0].claim.task.token, short_one.start.claim.task.token);
	ck_assert_int_eq(hello.hello.attempts[0].outcome.exit_code, 9);
	ck_assert(!hello.hello.attempts[1].ended);
	ck_assert(runs(long_pid));
	/* A start that is repeated starts nothing. */
	send_message(&long_one);
	forget.number = short_one.start.claim.n;
	send_message(&forget);
	hello = attach();
	ck_assert_int_eq(hello.hello.count, 1);
	ck_assert_int_eq(hello.hello.attempts[0].claim.n, long_one.start.claim.n);
	/* Forgotten while it runs: its claim is somebody else's by now. */
	forget.number = long_one.start.claim.n;
	send_message(&forget);
	wait_gone(long_pid);
	while (attach().hello.count > 0)
		;
}
END_TEST

/* Somebody removes the worker's cgroup: tasks go on to be run, and what they leave is still found. */
START_TEST(cgroup_removed)
{
	char group[32];

	snprintf(group, sizeof group, "zkq-%s", own_inc);
	cgroup_sweep(group);
	struct outcome outcome = run(daemons[1]);
	ck_assert_int_eq(outcome.state, STATE_DONE);
	ck_assert(!runs(pid_in("left")));
}
END_TEST

/* No runner, no task: the kernel kills the main process. */
START_TEST(runner_dies)
{
	struct message message = task("echo $$ > main; sleep 1000");

	send_message(&message);
	expect(MSG_STARTED);
	pid_t pid = pid_in("main");
	ck_assert(runs(pid));
	kill(runner_pid, SIGKILL);
	ck_assert_int_eq(waitpid(runner_pid, NULL, 0), runner_pid);
	runner_pid = 0;
	wait_gone(pid);
}
END_TEST

START_TEST(full_disk)
{
	struct message message = task("head -c 3000000 /dev/zero; echo end >&2; exit 4");
	struct outcome outcome;

	outcome = run_message(&message);
	ck_assert_int_eq(outcome.state, STATE_FAILED);
	ck_assert_int_eq(outcome.exit_code, 4);
	ck_assert_int_eq(outcome.stdout_bytes, 3000000);
	ck_assert(!outcome.log_complete);
	ck_assert_int_gt(outcome.dropped_bytes, 1900000);
	ck_assert_int_eq(memcmp(outcome.tail + outcome.tail_len - 4, "end\n", 4), 0);
}
END_TEST

/* The runner's directory on a disk of 1 MiB; "" when that cannot be had. */
static void
setup_full_disk(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(rmdir(dir), 0);
	if (!small_disk()) {
		fprintf(stderr, "full_disk: skipped, needs root\n");
		exit(0);
	}
	memcpy(strrchr(dir, '-') + 1, "XXXXXX", 6);
	setup();
}

int
main(void)
{
	Suite *suite = suite_create("runner");
	TCase *tcase = tcase_create("runner"), *bare = tcase_create("without cgroup"), *disk = tcase_create("disk");
	SRunner *runner = srunner_create(suite);
	int daemon_count = sizeof daemons / sizeof *daemons;

	tcase_set_timeout(tcase, 60);
	tcase_set_timeout(bare, 60);
	tcase_set_timeout(disk, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, exits);
	tcase_add_test(tcase, not_started);
	tcase_add_test(tcase, no_process);
	tcase_add_test(tcase, nothing_to_start);
	tcase_add_test(tcase, surroundings);
	tcase_add_test(tcase, time_limit);
	tcase_add_test(tcase, stopped);
	tcase_add_loop_test(tcase, left_overs, 0, daemon_count);
	tcase_add_test(tcase, much_output);
	tcase_add_test(tcase, held_pipe);
	tcase_add_test(tcase, lease);
	tcase_add_test(tcase, reattach);
	tcase_add_test(tcase, cgroup_removed);
	tcase_add_test(tcase, runner_dies);
	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(bare, setup_without_cgroup, teardown);
	tcase_add_loop_test(bare, left_overs, 0, daemon_count);
	tcase_add_test(bare, held_pipe);
	tcase_add_test(bare, lease);
	suite_add_tcase(suite, bare);
	tcase_add_checked_fixture(disk, setup_full_disk, teardown);
	tcase_add_test(disk, full_disk);
	suite_add_tcase(suite, disk);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
