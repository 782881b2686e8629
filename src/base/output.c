#include "config.h"

#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/terminal.h"

void
output_open(void)
{
	/* A file or socket opened later must not become somebody's stdout: a closed 0-2 is made one that fails. */
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_SYSTEM);
	signal(SIGPIPE, SIG_IGN);
}

bool
output_broken(void)
{
	return ferror(stdout);
}

/* The reader of our pipe went away, as head -1 does: it has what it wanted. */
static bool
reader_gone(void)
{
	struct pollfd poll_fd = { .fd = STDOUT_FILENO };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLERR);
}

int
output_close(const char *program, int code, int lost_code)
{
	bool failed = ferror(stdout) != 0;
	bool gone = reader_gone();
	int reason = 0;

	if (fflush(stdout) != 0) {
		failed = true;
		reason = errno;
	}
	gone = gone || reason == EPIPE;
	if (fclose(stdout) != 0 && !failed) {
		failed = true;
		reason = errno;
	}
	if (!failed || gone)
		return code;
	fprintf(stderr, "%s: cannot write standard output%s%s\n", program, reason ? ": " : "",
	    reason ? strerror(reason) : "");
	return lost_code;
}

void
output_csv(FILE *out, const char *text, size_t len)
{
	bool tty = isatty(fileno(out)) == 1, quote = false;

	for (size_t i = 0; i < len && !quote; i++)
		quote = text[i] == '"' || text[i] == ',' || text[i] == '\n' || text[i] == '\r';
	if (quote)
		putc('"', out);
	for (size_t at = 0; at < len;) {
		size_t n = 0;

		while (at + n < len && text[at + n] != '"')
			n++;
		if (tty)
			terminal_write(out, text + at, n, true);
		else
			fwrite(text + at, 1, n, out);
		at += n;
		if (at < len) {
			fputs("\"\"", out);
			at++;
		}
	}
	if (quote)
		putc('"', out);
}
