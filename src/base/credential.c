#include "config.h"

#include "base/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/terminal.h"

static bool
well_formed(const char *text)
{
	return strncmp(text, "digest:", 7) == 0 && text[7] != ':' && strchr(text + 7, ':');
}

/* Everything up to the end or until buffer is full: a pipe gives it in pieces. -1 with errno. */
static ssize_t
read_all(int fd, char *buffer, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buffer + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int
read_file(const char *file, char credential[CREDENTIAL_SIZE], char *why, size_t why_size)
{
	struct stat stat;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		snprintf(why, why_size, "cannot open %s: %s", file, strerror(errno));
		return EXIT_NO_INPUT;
	}
	bool open_to_others = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && (stat.st_mode & 077);
	ssize_t len = open_to_others ? 0 : read_all(fd, credential, CREDENTIAL_SIZE);
	int saved = errno;
	close(fd);
	credential[len > 0 && len < CREDENTIAL_SIZE ? len : 0] = '\0';
	credential[strcspn(credential, "\r\n")] = '\0';
	if (len < 0) {
		snprintf(why, why_size, "cannot read %s: %s", file, strerror(saved));
		return EXIT_IO;
	}
	if (open_to_others)
		snprintf(why, why_size, "%s: others can read it: chmod 600 %s", file, file);
	else if (len == CREDENTIAL_SIZE)
		snprintf(why, why_size, "%s: too long for a credential: digest:user:password is wanted", file);
	else if (!credential[0])
		snprintf(why, why_size, "%s: holds no credential: digest:user:password is wanted", file);
	else if (!well_formed(credential))
		snprintf(why, why_size, "%s: not of the form digest:user:password", file);
	else
		return EXIT_OK;
	return EXIT_CONFIG;
}

int
credential_read(const char *file, char credential[CREDENTIAL_SIZE], char *why, size_t why_size)
{
	const char *text = getenv("ZKQ_AUTH");

	credential[0] = '\0';
	if (file)
		return read_file(file, credential, why, why_size);
	if (!text || !*text)
		return EXIT_OK;
	if (strlen(text) >= CREDENTIAL_SIZE)
		snprintf(why, why_size, "ZKQ_AUTH: too long for a credential");
	else if (!well_formed(text))
		snprintf(why, why_size, "ZKQ_AUTH: not of the form digest:user:password");
	else {
		strcpy(credential, text);
		return EXIT_OK;
	}
	return EXIT_CONFIG;
}

const char *
credential_user(const char *credential, int *len)
{
	const char *user = *credential ? strchr(credential, ':') : NULL;

	*len = user ? (int)strcspn(user + 1, ":") : 0;
	return user ? user + 1 : NULL;
}

void
credential_print(const char *file, const char *credential, FILE *out)
{
	const char *unused = getenv("ZKQ_AUTH");
	int len;
	const char *user = credential_user(credential, &len);

	if (!user) {
		fputs("; no credential\n\n", out);
		return;
	}
	fputs("; credential of user ", out);
	terminal_write(out, user, (size_t)len, false);
	fputs(" ; ", out);
	if (file)
		terminal_write(out, file, strlen(file), false);
	else
		fputs("ZKQ_AUTH", out);
	fputs(file && unused && *unused ? "; ZKQ_AUTH is set, too, and not used\n\n" : "\n\n", out);
}
