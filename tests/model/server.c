#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIP 77
#define START_SECONDS 60	/* on a busy machine */
#define ZOOKEEPER_JAR "/usr/share/java/zookeeper.jar"
#define LOG_JARS "/usr/share/java/slf4j-log4j12.jar:/usr/share/java/log4j-1.2.jar"

struct server {
	char folder[64], config[96], log[96], hosts[32];
	int port, other_port, tick_ms;
	pid_t pid;
};

static void
die(const char *what)
{
	fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
skip_where_absent(void)
{
	if (access(ZOOKEEPER_JAR, R_OK) != 0 || system("command -v java >/dev/null 2>&1") != 0) {
		printf("skipped: Java or " ZOOKEEPER_JAR " is missing\n");
		exit(SKIP);
	}
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int
free_port(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		die("no free port");
	close(fd);
	return ntohs(address.sin_port);
}

static void
write_config(const struct server *server)
{
	FILE *file = fopen(server->config, "w");

	if (!file)
		die(server->config);
	fprintf(file, "tickTime=%d\ndataDir=%s/data\nclientPort=%d\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n"
	    "admin.enableServer=false\n4lw.commands.whitelist=srvr\n", server->tick_ms, server->folder, server->port);
	if (fclose(file) != 0)
		die(server->config);
}

static void
set_port(struct server *server, int port)
{
	server->port = port;
	snprintf(server->hosts, sizeof server->hosts, "127.0.0.1:%d", port);
	write_config(server);
}

static void __attribute__((noreturn))
run_server(const struct server *server, pid_t parent)
{
	int log = open(server->log, O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	execlp("java", "java", "-Xms32m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
	    "-Dzookeeper.preAllocSize=64", "-Dlog4j.rootLogger=OFF", "-cp", ZOOKEEPER_JAR ":" LOG_JARS,
	    "org.apache.zookeeper.server.quorum.QuorumPeerMain", server->config, (char *)NULL);
	_exit(127);
}

/* Whether it answers "srvr" as a server that serves does. */
static int
serves(const struct server *server)
{
	struct sockaddr_in address = loopback(server->port);
	struct timeval second = { .tv_sec = 1 };
	char answer[2048] = "";
	size_t len = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && write(fd, "srvr", 4) == 4)
		for (ssize_t got; len < sizeof answer - 1 &&
		     (got = read(fd, answer + len, sizeof answer - 1 - len)) > 0; )
			len += (size_t)got;
	close(fd);
	answer[len] = '\0';
	return strstr(answer, "Mode:") != NULL;
}

static time_t
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void
launch(struct server *server)
{
	pid_t parent = getpid();
	time_t deadline = seconds() + START_SECONDS;

	server->pid = fork();
	if (server->pid < 0)
		die("fork");
	if (server->pid == 0)
		run_server(server, parent);
	while (!serves(server)) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid || seconds() > deadline) {
			fprintf(stderr, "server: does not come up; see %s\n", server->log);
			exit(1);
		}
		poll(NULL, 0, 20);
	}
}

struct server *
server_start(int tick_ms)
{
	struct server *server = calloc(1, sizeof *server);

	skip_where_absent();
	if (!server)
		die("memory");
	strcpy(server->folder, "/tmp/zkq-model-XXXXXX");
	if (!mkdtemp(server->folder))
		die(server->folder);
	snprintf(server->config, sizeof server->config, "%s/zoo.cfg", server->folder);
	snprintf(server->log, sizeof server->log, "%s/log", server->folder);
	server->tick_ms = tick_ms;
	set_port(server, free_port());
	launch(server);
	return server;
}

const char *
server_hosts(const struct server *server)
{
	return server->hosts;
}

void
server_pause(struct server *server)
{
	int status;

	/* On a busy machine its threads go on for a while: wait until the last one has stopped. */
	if (kill(server->pid, SIGSTOP) != 0 || waitpid(server->pid, &status, WUNTRACED) != server->pid || !WIFSTOPPED(status))
		die("cannot stop the server");
}

void
server_resume(struct server *server)
{
	kill(server->pid, SIGCONT);
}

void
server_kill(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
}

void
server_restart(struct server *server)
{
	launch(server);
}

static void
remove_tree(const char *path)
{
	char command[160];

	snprintf(command, sizeof command, "rm -rf '%s'", path);
	if (system(command) != 0)
		fprintf(stderr, "server: %s is left\n", path);
}

void
server_move(struct server *server)
{
	int port = server->other_port ? server->other_port : free_port();

	server->other_port = server->port;
	set_port(server, port);
}

void
server_free(struct server *server)
{
	server_kill(server);
	remove_tree(server->folder);
	free(server);
}
