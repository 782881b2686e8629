/*
 * zkq dev: a private cluster in the foreground. ZooKeeper from the system's package on a free loopback port,
 * dispatchers and workers as children, everything in one temporary directory that is removed at the end.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/parts.h"

#define FOLDER "zkq-dev-"	/* name of the temporary directory, and random letters */
#define YOUNG_S 10
#define JAR "/usr/share/java/zookeeper.jar"
#define CLASSES ":" JAR ":/usr/share/java/slf4j-log4j12.jar:/usr/share/java/log4j-1.2.jar"
#define READY_MS 40000		/* a loaded machine takes its time to start a JVM */
#define PORT_TRIES 3		/* somebody may take the port between our look and ZooKeeper's */
#define SESSION "2s"		/* short: a killed part is noticed while one watches */
#define LOST_AFTER "2s"
#define TICK_MS 200		/* a session lasts 2 to 20 ticks */

static int dispatcher_count, worker_count, slots;
static bool open_to_all;
static const char *pids_file;

static const struct option_row options[] = {
	{ .name = "dispatchers", .argument = "N", .kind = OPTION_NUMBER, .into = &dispatcher_count, .preset = "1", .min = 0,
	    .max = 20, .help = "dispatchers d1, d2, ..." },
	{ .name = "workers", .argument = "N", .kind = OPTION_NUMBER, .into = &worker_count, .preset = "1", .min = 0, .max = 50,
	    .help = "workers w1, w2, ..." },
	{ .name = "slots", .argument = "N", .kind = OPTION_NUMBER, .into = &slots, .min = 1, .max = 1000,
	    .help = "slots of each worker (number of processors)" },
	{ .name = "open", .kind = OPTION_FLAG, .into = &open_to_all,
	    .help = "no password, so that zkCli works without addauth" },
	{ .name = "pids", .argument = "FILE", .kind = OPTION_TEXT, .into = &pids_file,
	    .help = "write name and process id of each part to FILE" },
	{ 0 },
};

static struct {
	char folder[PATH_MAX];
	char bin[PATH_MAX];		/* where zkq and its links are */
	char dispatcher[PATH_MAX], worker[PATH_MAX], java[PATH_MAX];
	char version[32];		/* of ZooKeeper */
	char leader[64];
	int port;
	bool in_memory;			/* the folder is on tmpfs */
	int signal;			/* that asked us to end */
} dev;

/* ---- what is installed ---- */

/* The first of the two that can be run. */
static bool
find_program(const char *name, const char *first, const char *second, char path[PATH_MAX])
{
	const char *places[] = { first, second };

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		if ((size_t)snprintf(path, PATH_MAX, "%s/%s", places[i], name) < PATH_MAX && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* In a build tree the program itself lies in .libs, and beside that directory what one calls. */
static bool
find_ourselves(void)
{
	ssize_t len = readlink("/proc/self/exe", dev.bin, sizeof dev.bin - 1);

	if (len <= 0)
		return false;
	dev.bin[len] = '\0';
	*strrchr(dev.bin, '/') = '\0';
	char *last = strrchr(dev.bin, '/');
	if (last && strcmp(last, "/.libs") == 0)
		*last = '\0';
	return true;
}

static bool
find_in_path(const char *name, char path[PATH_MAX])
{
	const char *list = getenv("PATH");

	for (const char *p = list ? list : "/usr/bin:/bin"; *p;) {
		size_t len = strcspn(p, ":");

		if (len && (size_t)snprintf(path, PATH_MAX, "%.*s/%s", (int)len, p, name) < PATH_MAX && access(path, X_OK) == 0)
			return true;
		p += len + (p[len] == ':');
	}
	return false;
}

static int
find_all(void)
{
	char sbin[PATH_MAX + 16];

	if (!find_ourselves())
		return cli_fail(EXIT_SYSTEM, "System", NULL, true, "cannot find out where zkq lies: %s", strerror(errno));
	snprintf(sbin, sizeof sbin, "%s/../sbin", dev.bin);
	const char *missing = !find_program("zkq-dispatcher", dev.bin, sbin, dev.dispatcher) ? "zkq-dispatcher" :
	    !find_program("zkq-worker", dev.bin, sbin, dev.worker) ? "zkq-worker" : NULL;
	if (missing && !(find_program("zkq-dispatcher", SBINDIR, SBINDIR, dev.dispatcher) &&
	    find_program("zkq-worker", SBINDIR, SBINDIR, dev.worker)))
		return cli_fail(EXIT_CONFIG, "Config", NULL, true, "no %s in %s, %s or %s", missing, dev.bin, sbin, SBINDIR);
	if (!find_in_path("java", dev.java) || access(JAR, R_OK) != 0)
		return cli_fail(EXIT_UNAVAILABLE, "NoZooKeeper", NULL, true,
		    "ZooKeeper is not installed (java and " JAR "): apt-get install zookeeper");
	return 0;
}

/* ---- the folder ---- */

static int
remove_one(const char *path, const struct stat *stat, int type, struct FTW *where)
{
	(void)stat;
	(void)type;
	(void)where;
	remove(path);	/* what cannot be removed shows when the folder itself cannot */
	return 0;
}

static void
remove_folder(void)
{
	if (dev.folder[0] && nftw(dev.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		cli_say("cannot remove %s: %s", dev.folder, strerror(errno));
	else if (dev.folder[0] && access(dev.folder, F_OK) == 0)
		cli_say("something is left in %s", dev.folder);
}

/* Removes folders that a killed zkq dev has left: ours, and nobody holds their lock. A young one may not be locked yet. */
static void
remove_leftovers(const char *tmp)
{
	DIR *folder = opendir(tmp);
	struct dirent *entry;
	struct stat stat;
	char lock[PATH_MAX + 8];

	while (folder && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, FOLDER, strlen(FOLDER)) != 0 ||
		    (size_t)snprintf(dev.folder, sizeof dev.folder, "%s/%s", tmp, entry->d_name) >= sizeof dev.folder)
			continue;
		snprintf(lock, sizeof lock, "%s/lock", dev.folder);
		int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		if (fstat(fd, &stat) == 0 && stat.st_uid == geteuid() && time(NULL) - stat.st_mtime > YOUNG_S &&
		    flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_folder();
		close(fd);
	}
	if (folder)
		closedir(folder);
	dev.folder[0] = '\0';
}

/* Held until we end, however that comes; children do not inherit it. */
static bool
lock_folder(void)
{
	char lock[PATH_MAX + 8];

	snprintf(lock, sizeof lock, "%s/lock", dev.folder);
	int fd = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd >= 0 && flock(fd, LOCK_EX) == 0;
}

static int
make_folder(void)
{
	const char *tmp = getenv("TMPDIR");
	struct statfs fs;

	tmp = tmp && *tmp == '/' ? tmp : "/tmp";
	remove_leftovers(tmp);
	snprintf(dev.folder, sizeof dev.folder, "%s/" FOLDER "XXXXXX", tmp);
	if (!mkdtemp(dev.folder)) {
		int saved = errno;

		dev.folder[0] = '\0';
		return cli_fail(EXIT_SYSTEM, "System", NULL, true, "cannot make a temporary directory: %s", strerror(saved));
	}
	if (!lock_folder())
		cli_say("cannot lock %s: %s", dev.folder, strerror(errno));
	dev.in_memory = statfs(dev.folder, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
	return 0;
}

static bool
write_file(const char *name, const char *text)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof path, "%s/%s", dev.folder, name);
	FILE *out = fopen(path, "wxe");
	bool good = out && fputs(text, out) >= 0;
	if (out && fclose(out) != 0)
		good = false;
	if (!good)
		cli_say("cannot write %s: %s", path, strerror(errno));
	return good;
}

/* ---- password ---- */

static int
set_password(void)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[32];
	char auth[64] = "digest:zkq:";
	size_t used = strlen(auth);

	if (open_to_all) {
		unsetenv("ZKQ_AUTH");
		return 0;
	}
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return cli_fail(EXIT_SYSTEM, "System", NULL, true, "no random numbers: %s", strerror(errno));
	for (size_t i = 0; i < sizeof random; i++)
		auth[used++] = letters[random[i] & 31];
	auth[used] = '\0';
	setenv("ZKQ_AUTH", auth, 1);
	return 0;
}

/* ---- ZooKeeper ---- */

/* A port of the loopback address that nobody uses now; 0 = none. */
static int
free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &len) == 0)
		port = ntohs(address.sin_port);
	if (fd >= 0)
		close(fd);
	return port;
}

/* Asks the server who it is: true when it serves; its version is kept. */
static bool
server_answers(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)dev.port) };
	struct timeval limit = { .tv_sec = 1 };
	char text[1024];
	size_t len = 0;
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && send(fd, "srvr", 4, MSG_NOSIGNAL) == 4)
		while (len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
			len += (size_t)n;
	close(fd);
	text[len] = '\0';
	const char *version = strstr(text, "version: ");
	if (version)
		snprintf(dev.version, sizeof dev.version, "%.*s", (int)strcspn(version + 9, "-, \n"), version + 9);
	return strstr(text, "Mode: ") != NULL;
}

static bool
write_configuration(int try)
{
	char *text = memory_print("tickTime=%d\ninitLimit=10\nsyncLimit=5\nmaxSessionTimeout=40000\ndataDir=%s/zookeeper\n"
	    "clientPort=%d\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n"
	    "4lw.commands.whitelist=*\nautopurge.purgeInterval=0\n", TICK_MS, dev.folder, dev.port);
	char *log = memory_print("log4j.rootLogger=INFO, OUT\nlog4j.appender.OUT=org.apache.log4j.ConsoleAppender\n"
	    "log4j.appender.OUT.layout=org.apache.log4j.PatternLayout\n"
	    "log4j.appender.OUT.layout.ConversionPattern=%%d{ISO8601} %%-5p %%c{1}: %%m%%n\n");
	char name[32];

	snprintf(name, sizeof name, "zoo%d.cfg", try);
	bool good = write_file(name, text) && (try > 0 || write_file("log4j.properties", log));
	free(text);
	free(log);
	return good;
}

static struct part *
launch_zookeeper(int try)
{
	char classes[PATH_MAX + 256], config[PATH_MAX + 32];

	if (!write_configuration(try))
		return NULL;
	snprintf(classes, sizeof classes, "%s" CLASSES, dev.folder);
	snprintf(config, sizeof config, "%s/zoo%d.cfg", dev.folder, try);
	/* On tmpfs nothing outlives the machine anyway, so nothing is lost without fsync. */
	char *argv[] = { dev.java, "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-Dzookeeper.preAllocSize=4096",
		dev.in_memory ? "-Dzookeeper.forceSync=no" : "-Dzookeeper.forceSync=yes", "-cp", classes,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", config, NULL };
	return parts_start("zookeeper", dev.folder, argv);
}

/* Whether we were asked to end. */
static bool
asked_to_end(int wait_ms)
{
	parts_wait(wait_ms, &dev.signal, NULL, NULL);
	return dev.signal != 0;
}

static int
start_zookeeper(int64_t deadline)
{
	struct part *part = NULL;

	for (int try = 0; try < PORT_TRIES; try++) {
		dev.port = free_port();
		if (part)
			part->name[0] = '-';	/* the one that failed */
		part = dev.port ? launch_zookeeper(try) : NULL;
		if (!part)
			return cli_fail(EXIT_SYSTEM, "System", NULL, true, "cannot start ZooKeeper");
		while (part->pid > 0 && cli_now() < deadline) {
			if (asked_to_end(50))
				return 0;
			if (part->pid > 0 && server_answers())
				return 0;
		}
		if (part->pid > 0)
			break;
	}
	parts_show_log(part);
	return cli_fail(EXIT_UNAVAILABLE, "NoZooKeeper", NULL, true, "ZooKeeper does not start");
}

/* ---- dispatchers and workers ---- */

static bool
start_daemons(void)
{
	char name[16], count[16], state[PATH_MAX + 32];

	for (int i = 1; i <= dispatcher_count; i++) {
		snprintf(name, sizeof name, "d%d", i);
		char *argv[] = { dev.dispatcher, "--name", name, "--session-timeout", SESSION, NULL };
		if (!parts_start(name, dev.folder, argv))
			return false;
	}
	snprintf(count, sizeof count, "%d", slots);
	for (int i = 1; i <= worker_count; i++) {
		snprintf(name, sizeof name, "w%d", i);
		snprintf(state, sizeof state, "%s/%s", dev.folder, name);
		if (mkdir(state, 0700) != 0) {
			cli_say("cannot make %s: %s", state, strerror(errno));
			return false;
		}
		char *argv[] = { dev.worker, "--name", name, "--session-timeout", SESSION, "--lost-after", LOST_AFTER,
			"--state-dir", state, slots ? "--slots" : NULL, count, NULL };
		if (!parts_start(name, dev.folder, argv))
			return false;
	}
	return true;
}

static void
see_dispatcher(void *context, const struct zkq_dispatcher_info *info)
{
	(void)context;
	if (info->leads && info->name)
		snprintf(dev.leader, sizeof dev.leader, "%s", info->name);
}

static void
see_worker(void *context, const struct zkq_worker_info *info)
{
	int *up = context;

	if (strcmp(info->state, "up") == 0)
		++*up;
	if (slots == 0)
		slots = info->slots;
}

/* Whoever submits next finds a queue: the leader makes it a moment after it has begun to lead. */
static void
see_queue(void *context, const struct zkq_queue_info *info)
{
	if (strcmp(info->name, "default") == 0)
		*(bool *)context = true;
}

/* One part that ended is enough to give up before the cluster is ready. */
static struct part *
find_ended(void)
{
	for (int i = 0; i < parts_count(); i++)
		if (parts_at(i)->pid == 0 && parts_at(i)->name[0] != '-')
			return parts_at(i);
	return NULL;
}

static bool
is_ready(struct zkq *handle)
{
	int up = 0;
	bool queue = false;

	if (dispatcher_count > 0 &&
	    (zkq_dispatchers_wait(handle, 1000, see_dispatcher, NULL) != ZKQ_OK || !*dev.leader ||
	    zkq_queues_wait(handle, 1000, see_queue, &queue) != ZKQ_OK || !queue))
		return false;
	if (dispatcher_count == 0 || worker_count == 0)
		return true;
	return zkq_workers_wait(handle, 1000, see_worker, &up) == ZKQ_OK && up >= worker_count;
}

static int
wait_until_ready(int64_t deadline)
{
	struct zkq *handle;
	struct part *ended;

	settings.auth = getenv("ZKQ_AUTH");
	settings.zk = getenv("ZKQ_ZK");
	settings.root = "/zkq";
	int code = cli_open(&handle, false);
	if (code)
		return code;
	bool ready = false;
	while (!(ended = find_ended()) && !dev.signal && !ready && cli_now() < deadline) {
		ready = zkq_connect_wait(handle, 1000) == ZKQ_OK && is_ready(handle);
		if (!ready)
			asked_to_end(50);
	}
	zkq_close(handle);
	if (dev.signal || ready)
		return 0;
	if (ended) {
		parts_show_log(ended);
		parts_say_ended(ended);
	} else {
		for (int i = 0; i < parts_count(); i++)
			parts_show_log(parts_at(i));
	}
	return cli_fail(EXIT_UNAVAILABLE, "NotReady", NULL, true, "the cluster does not get ready");
}

/* ---- the command ---- */

static void
print_names(const char *one, const char *many, char letter, int count, const char *marked)
{
	printf("%s ", count == 1 ? one : many);
	for (int i = 1; i <= count; i++) {
		char name[16];

		snprintf(name, sizeof name, "%c%d", letter, i);
		printf("%s%s%s", i > 1 ? ", " : "", name, marked && strcmp(marked, name) == 0 ? " (leads)" : "");
	}
}

static void
print_introduction(void)
{
	const char *auth = getenv("ZKQ_AUTH");

	printf("zkq dev: ZooKeeper %s on 127.0.0.1:%d", dev.version, dev.port);
	if (dispatcher_count > 0) {
		printf("; ");
		print_names("dispatcher", "dispatchers", 'd', dispatcher_count, dev.leader);
	}
	if (worker_count > 0) {
		printf("; ");
		print_names("worker", "workers", 'w', worker_count, NULL);
		if (slots > 0)
			printf(", %d slot%s%s", slots, slots == 1 ? "" : "s", worker_count > 1 ? " each" : "");
	}
	if (dev.in_memory)
		printf("\n         %s is in memory: ZooKeeper does not wait for a disk (forceSync=no)", dev.folder);
	printf("\n\nIn another terminal:\n  export ZKQ_ZK=127.0.0.1:%d%s%s PATH=%s:$PATH\n", dev.port, auth ? " ZKQ_AUTH=" : "",
	    auth ? auth : "", dev.bin);
	printf("  zkq run -- uname -a\n  zkq submit -w -- sh -c 'exit 3'; echo $?\n"
	    "  zkq status         zkq worker list         zkq run -- sh -c 'seq 5; sleep 5'\n");
	printf("\nLogs: %s/*.log         Ctrl-C: stop and remove everything\n", dev.folder);
	fflush(stdout);
}

/* Until a signal, the end of the command, or the end of ZooKeeper. Daemons may die: that is to be tried out here. */
static int
stay(bool command)
{
	int status = 0;
	bool ended = false, said[PARTS_MAX] = { false };

	for (;;) {
		for (int i = 0; i < parts_count(); i++) {
			struct part *part = parts_at(i);

			if (part->pid > 0 || said[i] || part->name[0] == '-')
				continue;
			said[i] = true;
			if (!command || settings.verbose || part->name[0] == 'z')
				parts_say_ended(part);
			if (part->name[0] == 'z')
				return cli_fail(EXIT_UNAVAILABLE, "NoZooKeeper", NULL, true, "ZooKeeper has ended, so nothing can go on");
		}
		if (ended)
			return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
		int number = 0;
		parts_wait(-1, &number, &ended, &status);
		/* Ctrl-C reaches the command, too, and it decides. */
		if (number && !(command && number == SIGINT))
			return command ? EXIT_SIGNAL + number : EXIT_OK;
	}
}

static void
set_environment(void)
{
	const char *path = getenv("PATH");
	char text[64];

	snprintf(text, sizeof text, "127.0.0.1:%d", dev.port);
	setenv("ZKQ_ZK", text, 1);
	setenv("ZKQ_ROOT", "/zkq", 1);
	setenv("ZKQ_CONFIG", "/dev/null", 1);	/* nobody's settings: a first try is the same for everybody */
	char *last = memory_print("%s/last", dev.folder);
	setenv("ZKQ_LAST", last, 1);	/* leaves nothing behind in the user's */
	free(last);
	char *joined = memory_print("%s:%s", dev.bin, path ? path : "/usr/bin:/bin");
	setenv("PATH", joined, 1);
	free(joined);
}

static int
start_and_stay(char **command)
{
	int64_t deadline = cli_now() + READY_MS;
	int code = start_zookeeper(deadline);

	if (code || dev.signal)
		return code ? code : EXIT_SIGNAL + dev.signal;
	set_environment();
	if (!start_daemons())
		return EXIT_SYSTEM;
	code = wait_until_ready(deadline);
	if (code || dev.signal)
		return code ? code : EXIT_SIGNAL + dev.signal;
	if (pids_file && !parts_write(pids_file))
		return EXIT_IO;
	if (!command[0]) {
		print_introduction();
		return stay(false);
	}
	return parts_run(command) > 0 ? stay(true) : EXIT_SYSTEM;
}

static int
develop(int argc, char **argv)
{
	(void)argc;
	int code = find_all();
	if (code == 0)
		code = set_password();
	if (code)
		return code;
	parts_begin();
	code = make_folder();
	if (code)
		return code;
	code = start_and_stay(argv);
	if (!argv[0] && !settings.quiet)
		fputs("\nzkq dev: stopping\n", stderr);
	parts_stop("wdz");
	if (pids_file)
		unlink(pids_file);
	remove_folder();
	return code;
}

const struct command command_dev = {
	.name = "dev",
	.program = "zkq-dev",
	.about = "a private cluster in the foreground, for trying things out",
	.usage = "zkq dev [OPTIONS] [--] [COMMAND [ARG]...]",
	.notes = "With COMMAND, runs it inside with ZKQ_ZK, ZKQ_AUTH and PATH set and exits with its code. Time-outs are\n"
	    "short (session and lost_after " SESSION "). Ctrl-C ends and removes everything.",
	.manual = "zkq-dev(1)",
	.options = options,
	.local = true,
	.run = develop,
};
