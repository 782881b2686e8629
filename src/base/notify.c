#include "base/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

#define MESSAGE_SIZE 512
#define WATCHDOG_MIN_MS 10	/* a shorter wish is a mistake; it would keep us busy with nothing else */

static struct {
	struct sockaddr_un address;
	socklen_t len;		/* 0 = nobody to tell */
	int64_t watchdog_ms;
} manager;

/* "/path", or "@name" for the abstract name space. */
static const char *
take_address(const char *text)
{
	size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len < 2)
		return "neither an absolute path nor @ and a name";
	if (len > sizeof manager.address.sun_path - (text[0] == '/'))
		return "too long";
	memset(&manager.address, 0, sizeof manager.address);
	manager.address.sun_family = AF_UNIX;
	memcpy(manager.address.sun_path, text, len);
	if (text[0] == '@')
		manager.address.sun_path[0] = '\0';
	manager.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (text[0] == '/'));
	return NULL;
}

static int64_t
number(const char *text)
{
	char *end;

	errno = 0;
	long long value = text && *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
	return value < 0 || errno || *end ? -1 : value;
}

void
notify_open(void)
{
	const char *text = getenv("NOTIFY_SOCKET"), *pid = getenv("WATCHDOG_PID");
	int64_t usec = number(getenv("WATCHDOG_USEC"));

	manager.len = 0;
	manager.watchdog_ms = 0;
	const char *why = text && *text ? take_address(text) : NULL;
	if (why)
		log_warning("service manager: cannot use NOTIFY_SOCKET: %s", why);
	if (manager.len > 0 && usec > 0 && (!pid || number(pid) == getpid()))
		manager.watchdog_ms = usec / 2000 < WATCHDOG_MIN_MS ? WATCHDOG_MIN_MS : usec / 2000;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

bool
notify_send(const char *format, ...)
{
	char message[MESSAGE_SIZE];
	va_list list;

	if (manager.len == 0)
		return false;
	va_start(list, format);
	int len = vsnprintf(message, sizeof message, format, list);
	va_end(list);
	if (len < 0)
		return false;
	if ((size_t)len >= sizeof message)
		len = (int)sizeof message - 1;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	bool sent = sendto(fd, message, (size_t)len, MSG_NOSIGNAL, (const struct sockaddr *)&manager.address, manager.len) == len;
	close(fd);
	return sent;
}

int64_t
notify_watchdog_ms(void)
{
	return manager.watchdog_ms;
}
