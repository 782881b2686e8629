/* The worker's HTTP process, without its process: the bytes of one connection, which the client half closes behind them. All
 * is real but the network (a socket of the UNIX kind) and the runner. Every connection ends; nothing is told without the
 * token; whatever is answered is well formed and harmless. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "http_server.h"

#define TOKEN "0123456789abcdefghijklmnopqrstuv"
#define SECRET "the output of a task"
#define INPUT_MAX 60000		/* what a socket takes at once */
#define ANSWER_MAX (1 << 20)
#define TURNS_MAX 1000		/* of the loop, until the connection is over: a dozen is usual */
#define TURNS_STREAM 16		/* then running attempts end */
#define SNAPSHOT_EVERY 256	/* inputs; after five seconds without one the server says that nobody is there */

static struct event_base *base;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_len;
static char folder[] = "/tmp/zkq-fuzz-XXXXXX";
static int logs_fd;

static void
forget_folder(void)
{
	unlinkat(logs_fd, HTTP_ID "/1.stdout", 0);
	unlinkat(logs_fd, HTTP_ID "/2.stderr", 0);
	unlinkat(logs_fd, HTTP_ID, AT_REMOVEDIR);
	rmdir(folder);
}

static void
make_file(const char *name, int lines)
{
	int fd = openat(logs_fd, name, O_CREAT | O_WRONLY, 0600);

	MUST(fd >= 0);
	for (int i = 0; i < lines; i++)
		dprintf(fd, "%d " SECRET "\n", i);
	close(fd);
}

static void
begin(void)
{
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	MUST(mkdtemp(folder) && (logs_fd = open(folder, O_DIRECTORY)) >= 0 && mkdirat(logs_fd, HTTP_ID, 0700) == 0);
	atexit(forget_folder);
	make_file(HTTP_ID "/1.stdout", 5);
	make_file(HTTP_ID "/2.stderr", 3);
	/* A name of the abstract kind, which is nowhere on the disk. */
	snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "zkq-fuzz-%d", (int)getpid());
	address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
	MUST(listener >= 0 && bind(listener, (struct sockaddr *)&address, address_len) == 0 && listen(listener, 8) == 0);
	base = http_server_begin(logs_fd, listener, TOKEN);
	signal(SIGPIPE, SIG_IGN);
}

/* Sends the input, turns the loop until the server has closed the connection. Returns the length of what it answered. */
static size_t
talk(const uint8_t *data, size_t size, char *answer)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), turns = 0;
	size_t len = 0;
	ssize_t got;

	MUST(fd >= 0 && connect(fd, (struct sockaddr *)&address, address_len) == 0);
	MUST(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size && shutdown(fd, SHUT_WR) == 0);
	do {
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (++turns == TURNS_STREAM)
			http_server_end(true);
		MUST(len < ANSWER_MAX && turns < TURNS_MAX);
		got = recv(fd, answer + len, ANSWER_MAX - len, 0);
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0 || (got < 0 && errno == EAGAIN));
	close(fd);
	MUST(!http_server_has_readers());
	if (turns >= TURNS_STREAM)
		http_server_end(false);
	return len;
}

static bool
one_of(const char *const *words, const char *text, size_t len)
{
	for (; *words; words++)
		if (strlen(*words) == len && strncasecmp(*words, text, len) == 0)
			return true;
	return false;
}

/* The first answer's head: a known code, and known headers only. */
static void
check_head(const char *answer)
{
	static const char *const codes[] = { "100", "200", "400", "401", "404", "405", "411", "413", "414", "417", "500", "501",
		"503", "505", NULL };
	static const char *const names[] = { "Content-Type", "Cache-Control", "X-Content-Type-Options", "Connection",
		"Content-Length", "Transfer-Encoding", "Date", "WWW-Authenticate", "Allow", "Zkq-From", "Zkq-Prefix", NULL };
	const char *line = strstr(answer, "\r\n");
	int major, minor, used = 0;	/* of the request, whatever they are */

	MUST(line && sscanf(answer, "HTTP/%d.%d %n", &major, &minor, &used) == 2 && used > 0);
	MUST(one_of(codes, answer + used, 3) && answer[used + 3] == ' ');
	for (line += 2; strncmp(line, "\r\n", 2) != 0; line = strstr(line, "\r\n") + 2) {
		size_t name = strcspn(line, ":\r\n");

		MUST(line[name] == ':' && one_of(names, line, name) && strstr(line, "\r\n"));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[ANSWER_MAX + 1];
	static unsigned count;

	if (!base)
		begin();
	if (count++ % SNAPSHOT_EVERY == 0)
		http_server_snapshot();
	size_t len = talk(data, size < INPUT_MAX ? size : INPUT_MAX, answer);
	answer[len] = '\0';
	MUST(strlen(answer) == len && fuzz_harmless(answer, len, "\r\n"));
	MUST(!strstr(answer, TOKEN));
	if (!memmem(data, size, TOKEN, strlen(TOKEN)))
		MUST(!strstr(answer, SECRET) && !strstr(answer, "Zkq-From"));
	if (len)
		check_head(answer);
	return 0;
}
