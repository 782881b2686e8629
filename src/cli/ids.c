/* Ids as they are given: whole, their beginnings, "last", names in an inbox. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/exits.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/last.h"
#include "cli/line.h"

#define LINE_MAX_ID 256	/* a line with an id */
#define TOKEN_LEAST 4		/* a beginning of less is no name for a task */
#define TOKEN_WHOLE 12		/* of a single task; that of a batch is longer */
#define TOKEN_MOST 16
#define SHOWN_MAX 5		/* candidates that a message names */

void
cli_ids_add(struct ids *ids, const char *id)
{
	if (ids->count == 0 || (ids->count >= 64 && (ids->count & (ids->count - 1)) == 0))
		ids->items = memory_resize(ids->items, ids->count ? (size_t)ids->count * 2 : 64, sizeof *ids->items);
	ids->items[ids->count++] = memory_string(id);
}

/* A segment's number: 32 bits, without leading zeros. */
static bool
looks_like_segment(const char *text, size_t len)
{
	char digits[12];

	if (len == 0 || len > 10 || strspn(text, "0123456789") != len || (text[0] == '0' && len > 1))
		return false;
	snprintf(digits, sizeof digits, "%.*s", (int)len, text);
	return strtoull(digits, NULL, 10) <= UINT32_MAX;
}

/* "<queue>.<segment>.<token>": exactly two dots, nothing empty, nothing that no id has. */
static bool
looks_like_id(const char *text)
{
	const char *dot = strchr(text, '.');
	int dots = 0, len = 0;

	if (!dot || !looks_like_segment(dot + 1, strcspn(dot + 1, ".")))
		return false;
	for (const char *p = text; *p; p++) {
		if (*p == '.') {
			if (len == 0)
				return false;
			dots++;
			len = 0;
			continue;
		}
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *p))
			return false;
		len++;
	}
	return dots == 2 && len > 0 && strlen(text) < ZKQ_ID_SIZE;
}

static bool
looks_like_name(const char *text)
{
	return *text && *text != '.' && strlen(text) <= ZKQ_ID_SIZE * 2 && !strchr(text, '/');
}

/* The beginning of a token, or all of it. */
static bool
looks_like_token(const char *text)
{
	size_t len = strlen(text);

	return len >= TOKEN_LEAST && len <= TOKEN_MOST && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == len;
}

static int
take_last(struct ids *ids)
{
	char id[ZKQ_ID_SIZE];

	if (!last_read(id))
		return cli_fail(EXIT_NO, "NotFound", NULL, true, "last: nothing was submitted to %s with root %s by this user on this "
		    "host: name the task", settings.zk, settings.root);
	cli_ids_add(ids, id);
	return 0;
}

static int
take_id(struct ids *ids, const char *text, bool inbox)
{
	if (strcmp(text, "last") == 0)
		return take_last(ids);
	if (looks_like_id(text) || looks_like_token(text) || (inbox && !strchr(text, '.') && looks_like_name(text))) {
		cli_ids_add(ids, text);
		return 0;
	}
	if (!inbox && strncmp(text, "t-", 2) == 0 && !strchr(text, '.'))
		return cli_fail(EXIT_DATA, "Invalid", NULL, false, "no task id: '%s' is a name in an inbox: zkq show tells the id that "
		    "its task got", text);
	return cli_fail(EXIT_DATA, "Invalid", NULL, false, "no task id: '%s' (ids look like default.4.k3v9q7xa2m4t)", text);
}

static int
read_ids(struct ids *ids, bool inbox)
{
	char text[LINE_MAX_ID];
	struct line_input line = { .in = stdin, .name = "standard input", .text = text, .size = sizeof text };
	int code = 0;

	ids->stream = true;
	while (code == 0 && line_next(&line, &code) > 0) {
		text[strcspn(text, " \t")] = '\0';
		if (*text)
			code = take_id(ids, text, inbox);
	}
	return code;
}

int
cli_ids(char **operands, bool inbox, struct ids *ids)
{
	memset(ids, 0, sizeof *ids);
	ids->inbox = inbox;
	ids->given = operands[0] != NULL;
	if (!operands[0])
		return cli_usage("an id is missing ('-' reads ids from standard input)");
	for (; *operands; operands++) {
		int code = strcmp(*operands, "-") == 0 ? read_ids(ids, inbox) : take_id(ids, *operands, inbox);

		if (code) {
			cli_ids_free(ids);
			return code;
		}
	}
	return 0;
}

void
cli_ids_free(struct ids *ids)
{
	for (int i = 0; i < ids->count; i++)
		free(ids->items[i]);
	free(ids->items);
	memset(ids, 0, sizeof *ids);
}

/* ---- beginnings ---- */

struct found {
	char ids[SHOWN_MAX][ZKQ_ID_SIZE];
	int count;
};

static void
take_match(void *context, const char *id, int ended)
{
	struct found *found = context;

	(void)ended;
	if (found->count < SHOWN_MAX)
		snprintf(found->ids[found->count++], ZKQ_ID_SIZE, "%s", id);
}

/* Whether what is given may be the beginning of an id only. A token of a batch has an x and a number behind the twelve. */
static bool
is_beginning(const char *text)
{
	const char *dot = strrchr(text, '.');
	size_t len = dot ? strlen(dot + 1) : 0;

	return dot ? len < TOKEN_WHOLE || (len == TOKEN_WHOLE + 1 && dot[len] == 'x') : looks_like_token(text);
}

int
cli_id_error(const char *id, int error)
{
	return error == ZKQ_EINVAL && looks_like_id(id) && is_beginning(id) ? ZKQ_ENOENT : error;
}

static int
ambiguous(const char *text, const struct found *found, int total)
{
	char names[SHOWN_MAX * (ZKQ_ID_SIZE + 2)] = "";

	for (int i = 0; i < found->count; i++)
		snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", found->ids[i]);
	return cli_fail(EXIT_DATA, "Ambiguous", text, false, "%s: %d ids begin so: %s%s; give more of it", text, total, names,
	    total > found->count ? " ..." : "");
}

/* What no id begins with stays: it is the name of an inbox task, or the command says that there is no such task. */
static int
find(struct zkq *handle, struct ids *ids, int index)
{
	char *text = ids->items[index];
	struct found found = { .count = 0 };
	int total;

	int error = zkq_find_wait(handle, text, cli_left(), take_match, &found, &total);
	if (error != ZKQ_OK && error != ZKQ_EINVAL)
		return cli_fail_error(error, NULL, NULL);
	if (total > 1)
		return ambiguous(text, &found, total);
	if (total == 0 && !ids->inbox && !strchr(text, '.'))
		return cli_fail(EXIT_NO, "NotFound", text, true, "%s: " CLI_NO_TASK, text);
	if (total == 1) {
		free(text);
		ids->items[index] = memory_string(found.ids[0]);
	}
	return 0;
}

int
cli_open_ids(struct zkq **handle, struct ids *ids)
{
	int code = cli_open(handle, true);

	for (int i = 0; code == 0 && i < ids->count; i++)
		if (is_beginning(ids->items[i]))
			code = find(*handle, ids, i);
	if (code && *handle) {
		zkq_close(*handle);
		*handle = NULL;
	}
	if (code)
		cli_ids_free(ids);
	return code;
}
