#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define FILE_MAX (256 * 1024)	/* a hundred times what a full configuration needs */
#define READ_SIZE 8192
#define VALUES_MAX 1000		/* ten times what there is to set; each is compared with all before it */
#define KEY_MAX 49	/* of a longer one inih forgets the rest when its value goes on in the next line */
#define DISTANCE_MAX 63

static const char *const sections[] = { "zookeeper", "log", "dispatcher", "worker", "client" };

struct reading {
	struct conf *conf;
	const char *file;
	const char *text, *end;
	int line;		/* of what inih has been given last */
	bool indented;
	int first;		/* index of the first value of this file */
	bool failed;
	int fail_line;		/* 0 = of the whole file */
	char *why;
	size_t why_size;
};

static void __attribute__((format(printf, 3, 4)))
fail(struct reading *reading, int line, const char *format, ...)
{
	va_list list;
	int len = 0;

	if (reading->failed)
		return;
	reading->failed = true;
	reading->fail_line = line;
	if (line > 0)
		len = snprintf(reading->why, reading->why_size, "%s:%d: ", reading->file, line);
	else
		len = snprintf(reading->why, reading->why_size, "%s: ", reading->file);
	if (len < 0 || (size_t)len >= reading->why_size)
		return;
	va_start(list, format);
	vsnprintf(reading->why + len, reading->why_size - (size_t)len, format, list);
	va_end(list);
}

/* ---- values ---- */

static const struct conf_value *
find_from(const struct conf *conf, int first, const char *section, const char *key)
{
	for (int i = conf->count - 1; i >= first; i--)
		if (strcmp(conf->values[i].section, section) == 0 && strcmp(conf->values[i].key, key) == 0)
			return &conf->values[i];
	return NULL;
}

const struct conf_value *
conf_find(const struct conf *conf, const char *section, const char *key)
{
	return find_from(conf, 0, section, key);
}

bool
conf_section_known(const char *section)
{
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
		if (strcmp(sections[i], section) == 0)
			return true;
	return false;
}

void
conf_free(struct conf *conf)
{
	for (int i = 0; i < conf->count; i++) {
		free(conf->values[i].section);
		free(conf->values[i].key);
		free(conf->values[i].text);
		free(conf->values[i].file);
	}
	free(conf->values);
	memset(conf, 0, sizeof *conf);
}

static void
add(struct reading *reading, const char *section, const char *key, const char *text)
{
	struct conf *conf = reading->conf;

	conf->values = memory_resize(conf->values, (size_t)conf->count + 1, sizeof *conf->values);
	conf->values[conf->count++] = (struct conf_value){
		.section = memory_string(section), .key = memory_string(key), .text = memory_string(text),
		.file = memory_string(reading->file), .line = reading->line,
	};
}

/* Length of text without a comment behind it, which inih leaves there in lines that go on. */
static size_t
without_comment(const char *text)
{
	size_t len = 1;

	while (text[len] && !(text[len] == ';' && isspace((unsigned char)text[len - 1])))
		len++;
	while (len > 1 && isspace((unsigned char)text[len - 1]))
		len--;
	return len;
}

/* A list goes on in lines that begin with a blank. inih takes every such line for more of the value before it: where that
 * does not end with a comma, somebody has indented a key. */
static void
go_on(struct reading *reading, struct conf_value *value, const char *text)
{
	size_t len = strlen(value->text), more = without_comment(text);

	if (value->text[len - 1] != ',') {
		fail(reading, reading->line, "begins with a blank, but '%s' before it does not end with a comma", value->key);
		return;
	}
	value->text = memory_resize(value->text, len + more + 1, 1);
	memcpy(value->text + len, text, more);
	value->text[len + more] = '\0';
}

static int
on_value(void *context, const char *section, const char *key, const char *text)
{
	struct reading *reading = context;
	struct conf *conf = reading->conf;

	if (reading->failed)
		return 1;
	struct conf_value *last = conf->count > reading->first ? &conf->values[conf->count - 1] : NULL;
	const struct conf_value *other = find_from(conf, reading->first, section, key);
	if (*key == '\0')
		fail(reading, reading->line, "a value without a key");
	else if (strlen(key) > KEY_MAX)
		fail(reading, reading->line, "'%.*s...' is longer than any key", KEY_MAX, key);
	else if (*section == '\0')
		fail(reading, reading->line, "'%s' stands before the first [section]", key);
	else if (*text == '\0')
		fail(reading, reading->line, "'%s' has no value", key);
	else if (reading->indented && last && other == last)
		go_on(reading, last, text);
	else if (other)
		fail(reading, reading->line, "'%s' stands already in line %d", key, other->line);
	else if (conf->count - reading->first == VALUES_MAX)
		fail(reading, reading->line, "more than %d settings", VALUES_MAX);
	else
		add(reading, section, key, text);
	return 1;
}

/* ---- lines ---- */

/* What inih calls for a line: like fgets(), but never a part of one. */
static char *
next_line(char *buffer, int size, void *context)
{
	struct reading *reading = context;

	if (reading->failed || reading->text == reading->end)
		return NULL;
	size_t left = (size_t)(reading->end - reading->text);
	const char *end = memchr(reading->text, '\n', left);
	size_t len = end ? (size_t)(end - reading->text) : left;

	reading->line++;
	if (memchr(reading->text, '\0', len)) {
		fail(reading, reading->line, "has a NUL character: not a text file");
		return NULL;
	}
	if (len + 1 > (size_t)size) {
		fail(reading, reading->line, "longer than %d characters; a list may go on in indented lines after a comma",
		    size - 1);
		return NULL;
	}
	memcpy(buffer, reading->text, len);
	buffer[len] = '\0';
	reading->indented = buffer[0] == ' ' || buffer[0] == '\t';
	reading->text += len + (end ? 1 : 0);
	return buffer;
}

static const char *
kind_of(mode_t mode)
{
	return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a FIFO" : S_ISSOCK(mode) ? "a socket" : "a device";
}

/* FILE_MAX bytes and a little more at most: then it is too large. */
static char *
read_all(struct reading *reading, int fd, size_t *len)
{
	char *text = NULL;
	size_t room = 0;

	while (*len <= FILE_MAX) {
		if (*len == room)
			text = memory_resize(text, room += READ_SIZE, 1);
		ssize_t n = read(fd, text + *len, room - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(reading, 0, "cannot read it: %s", strerror(errno));
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	return text;
}

/* The whole of the file, or NULL when that failed or it is missing. */
static char *
load(struct reading *reading, bool may_be_missing, size_t *len)
{
	struct stat stat;
	char *text = NULL;
	int fd = open(reading->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*len = 0;
	if (fd < 0) {
		if (!may_be_missing || (errno != ENOENT && errno != ENOTDIR))
			fail(reading, 0, "cannot open it: %s", strerror(errno));
		return NULL;
	}
	if (fstat(fd, &stat) != 0) {
		fail(reading, 0, "cannot read it: %s", strerror(errno));
	} else if (!S_ISREG(stat.st_mode)) {
		fail(reading, 0, "is %s, not a file", kind_of(stat.st_mode));
	} else if (stat.st_mode & S_IWOTH) {
		fail(reading, 0, "everybody can write it: chmod o-w %s", reading->file);
	} else {
		text = read_all(reading, fd, len);
	}
	close(fd);
	return text;
}

bool
conf_read(struct conf *conf, const char *file, bool may_be_missing, char *why, size_t why_size)
{
	struct reading reading = { .conf = conf, .file = file, .first = conf->count, .why = why, .why_size = why_size };
	size_t len;

	if (strcmp(file, CONF_NO_FILE) == 0)
		return true;
	char *text = load(&reading, may_be_missing, &len);
	if (text && !reading.failed) {
		reading.text = text;
		reading.end = text + len;
		int wrong_line = ini_parse_stream(next_line, &reading, on_value, &reading);
		if (wrong_line > 0 && wrong_line < reading.fail_line)
			reading.failed = false;	/* inih goes on after what it cannot read; the first mistake counts */
		if (wrong_line > 0)
			fail(&reading, wrong_line, "neither [section] nor key = value");
		else if (wrong_line < 0)
			fail(&reading, 0, "cannot read it: out of memory");
		if (!reading.failed && len > FILE_MAX)
			fail(&reading, 0, "larger than %d kB", FILE_MAX / 1024);
	}
	free(text);
	return !reading.failed;
}

/* ---- hints ---- */

static int
smallest(int a, int b, int c)
{
	return a < b ? (a < c ? a : c) : b < c ? b : c;
}

int
conf_distance(const char *a, const char *b)
{
	int rows[3][DISTANCE_MAX + 1], len_a = (int)strnlen(a, DISTANCE_MAX), len_b = (int)strnlen(b, DISTANCE_MAX);
	int *before = rows[0], *above = rows[1], *now = rows[2];

	for (int j = 0; j <= len_b; j++)
		above[j] = j;
	for (int i = 1; i <= len_a; i++) {
		now[0] = i;
		for (int j = 1; j <= len_b; j++) {
			now[j] = smallest(above[j] + 1, now[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		int *spare = before;
		before = above;
		above = now;
		now = spare;
	}
	return above[len_b];
}
