#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/terminal.h"

#define LINE_SIZE 2048	/* longer messages are cut; longer than any path or id we print */

static const struct {
	const char *word;
	int journal;	/* syslog priority */
} levels[LEVELS] = {
	[LEVEL_ERROR] = { "error", 3 },
	[LEVEL_WARNING] = { "warning", 4 },
	[LEVEL_INFO] = { "info", 6 },
	[LEVEL_DEBUG] = { "debug", 7 },
};

static struct {
	const char *program;
	enum log_level max;
	enum log_format format;
	bool journal, journal_known;
	log_sink_fn *sink;
	void *context;
} state = { .max = LEVEL_INFO };

/* The variable is inherited by children whose stderr is elsewhere, so device and inode must be ours. */
static bool
stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat stat;

	return text && sscanf(text, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &stat) == 0 &&
	    stat.st_dev == device && stat.st_ino == inode;
}

void
log_open(const char *program, enum log_level max_level)
{
	state.program = program;
	state.max = max_level;
	state.journal = stderr_is_journal();
	state.journal_known = true;
}

void
log_set_level(enum log_level max_level)
{
	state.max = max_level;
}

enum log_level
log_get_level(void)
{
	return state.max;
}

bool
log_level_parse(const char *text, enum log_level *level)
{
	for (int i = 0; i < LEVELS; i++)
		if (strcmp(levels[i].word, text) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

void
log_set_format(enum log_format format)
{
	state.format = format;
}

enum log_format
log_get_format(void)
{
	return state.format;
}

bool
log_format_parse(const char *text, enum log_format *format)
{
	if (strcmp(text, "text") == 0)
		*format = LOG_TEXT;
	else if (strcmp(text, "json") == 0)
		*format = LOG_JSON;
	else
		return false;
	return true;
}

void
log_set_sink(log_sink_fn *sink, void *context)
{
	state.sink = sink;
	state.context = context;
}

/* text has no control characters left (see terminal_safe()), and is UTF-8. */
static void
escape(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (; *text && used + 3 < size; text++) {
		if (*text == '"' || *text == '\\')
			out[used++] = '\\';
		out[used++] = *text;
	}
	out[used] = '\0';
}

static int
write_json(char *line, size_t size, const char *stamp, int ms, enum log_level level, const char *text)
{
	char escaped[2 * LINE_SIZE];

	escape(text, escaped, sizeof escaped);
	return snprintf(line, size, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%ld,\"message\":\"%s\"}\n",
	    stamp, ms, levels[level].word, state.program ? state.program : "", (long)getpid(), escaped);
}

/* The whole line in one write, so that lines of several processes on one stderr do not mix. */
static void
write_line(enum log_level level, const char *text)
{
	char line[2 * LINE_SIZE + 256], stamp[32];
	struct timespec now;
	struct tm tm;
	int len;

	if (!state.journal_known)
		log_open(state.program, state.max);
	const char *colon = state.program ? ": " : "";
	const char *program = state.program ? state.program : "";
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	if (state.format == LOG_JSON) {
		len = write_json(line, sizeof line, stamp, (int)(now.tv_nsec / 1000000), level, text);
	} else if (state.journal) {
		len = snprintf(line, sizeof line, "<%d>%s\n", levels[level].journal, text);
	} else {
		bool plain = level == LEVEL_INFO;
		len = snprintf(line, sizeof line, "%s.%03dZ %s%s%s%s%s\n", stamp, (int)(now.tv_nsec / 1000000), program,
		    colon, plain ? "" : levels[level].word, plain ? "" : ": ", text);
	}
	if (len >= (int)sizeof line) {
		len = (int)sizeof line - 1;
		line[len - 1] = '\n';
	}
	for (int at = 0; at < len;) {
		ssize_t n = write(STDERR_FILENO, line + at, (size_t)(len - at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;	/* nowhere left to complain to */
		at += (int)n;
	}
}

void
log_write_list(enum log_level level, const char *format, va_list list)
{
	char raw[LINE_SIZE / 2], text[LINE_SIZE];
	int saved = errno;

	if (level > state.max)
		return;
	int len = vsnprintf(raw, sizeof raw, format, list);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof raw)
		len = (int)sizeof raw - 1;
	terminal_safe(raw, (size_t)len, text, sizeof text);
	if (state.sink)
		state.sink(state.context, level, text);
	else
		write_line(level, text);
	errno = saved;
}

void
log_write(enum log_level level, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	log_write_list(level, format, list);
	va_end(list);
}
