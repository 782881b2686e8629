/*
 * log.h: what programs say about themselves. One line per message, to stderr unless a sink is set.
 *
 * A line begins with its subject ("session:", "task default.4.k3v9:", "worker w1:") and is made harmless for
 * terminals and log files: control characters inside it are shown as \x1b. With JOURNAL_STREAM naming our stderr, each
 * line gets the journal's priority ("<3>"), else the time in UTC and, unless it is informational, its level.
 * For one thread at a time.
 */
#ifndef ZKQ_BASE_LOG_H
#define ZKQ_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level {
	LEVEL_ERROR,	/* something asked for could not be done */
	LEVEL_WARNING,	/* something an operator should look at */
	LEVEL_INFO,	/* what happened, few lines in a quiet hour */
	LEVEL_DEBUG,
	LEVELS
};

enum log_format {
	LOG_TEXT,	/* for people or the journal */
	LOG_JSON,	/* one object a line: time, level, program, pid, message */
};

/* program is kept, not copied. Lines above max_level are dropped. Before this call, LEVEL_INFO is the limit. */
void log_open(const char *program, enum log_level max_level);
void log_set_level(enum log_level max_level);
enum log_level log_get_level(void);
/* "error", "warning", "info", "debug"; false when text is none of these. */
bool log_level_parse(const char *text, enum log_level *level);

void log_set_format(enum log_format format);
enum log_format log_get_format(void);
/* "text", "json"; false when text is neither. */
bool log_format_parse(const char *text, enum log_format *format);

/* Takes each line instead of stderr: without time, level or newline. NULL = stderr again. */
typedef void log_sink_fn(void *context, enum log_level level, const char *line);
void log_set_sink(log_sink_fn *sink, void *context);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_write_list(enum log_level level, const char *format, va_list list) __attribute__((format(printf, 2, 0)));

#define log_error(...) log_write(LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LEVEL_DEBUG, __VA_ARGS__)

#endif
