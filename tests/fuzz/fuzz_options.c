/* Command lines: words end with a newline or NUL. What is accepted is in its range, what is refused is said in words that a
 * terminal may have, and nothing of the line is lost or changed. The locale changes nothing. */
#include "config.h"

#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "base/terminal.h"
#include "fuzz.h"

#define WORDS_MAX 24

static struct values {
	bool flag, given;
	const char *text;
	struct option_list list;
	int number;
	int64_t ms, free_ms;
	uint64_t bytes;
	enum color_when color;
	enum log_level level;
} values;

static const struct option_row rows[] = {
	{ .letter = 'f', .name = "follow", .kind = OPTION_FLAG, .into = &values.flag, .given = &values.given },
	{ .letter = 'q', .name = "queue", .argument = "NAME", .kind = OPTION_TEXT, .into = &values.text,
	    .preset = "default" },
	{ .letter = 'e', .name = "env", .argument = "NAME=VALUE", .kind = OPTION_LIST, .into = &values.list },
	{ .letter = 'n', .name = "number", .argument = "N", .kind = OPTION_NUMBER, .into = &values.number,
	    .preset = "5", .min = -9, .max = 9 },
	{ .letter = 't', .name = "time", .argument = "TIME", .kind = OPTION_TIME, .into = &values.ms,
	    .preset = "1m", .min = 1000, .max = 3600000 },
	{ .name = "timeout", .argument = "TIME", .kind = OPTION_TIME, .into = &values.free_ms, .preset = "0" },
	{ .name = "bytes", .argument = "SIZE", .kind = OPTION_SIZE, .into = &values.bytes, .preset = "1K" },
	{ .name = "color", .argument = "WHEN", .kind = OPTION_COLOR, .into = &values.color, .preset = "auto" },
	{ .name = "level", .argument = "LEVEL", .kind = OPTION_LEVEL, .into = &values.level, .preset = "info" },
	{ .name = "later", .kind = OPTION_LATER },
	{ 0 },
};

static struct options options = {
	.program = "fuzz", .call = "fuzz", .usage = "fuzz", .about = "Tests.", .manual = "fuzz(1)", .version = "0",
	.tables = { rows }, .without_files = true,
};

static int
split(char *text, size_t size, char *words[WORDS_MAX + 2])
{
	static char program[] = "fuzz";
	int count = 0;
	char *end = text + size;

	words[count++] = program;
	while (text < end && count <= WORDS_MAX) {
		words[count++] = text;
		while (text < end && *text != '\n' && *text)
			text++;
		*text++ = '\0';
	}
	words[count] = NULL;
	return count;
}

static void
check(int first, int argc)
{
	MUST(first >= 1 && first <= argc);
	MUST(values.number >= -9 && values.number <= 9 && values.ms >= 1000 && values.ms <= 3600000 && values.free_ms >= 0);
	MUST(values.color <= COLOR_NEVER && values.level < LEVELS && values.text && values.list.count >= 0);
	MUST(values.flag == values.given);
}

/* Returns what options_parse() does, and what it said in fresh memory. */
static int
parse(int argc, char *const *words, char **said)
{
	char *argv[WORDS_MAX + 2];
	FILE *real = stderr;
	size_t len;
	int found = 0;

	option_list_free(&values.list);
	memset(&values, 0, sizeof values);
	memcpy(argv, words, sizeof argv);
	stderr = fuzz_memory_begin();
	int result = options_parse(&options, argc, argv);
	stderr = real;
	*said = strdup(fuzz_memory_end(&len));
	MUST(fuzz_harmless(*said, len, "\n") && strlen(*said) == len);
	MUST((result == OPTIONS_WRONG) == (len > 0) && result != OPTIONS_DONE && result != OPTIONS_WRONG_FILE);
	/* One line. */
	MUST(!len || (strncmp(*said, "fuzz: ", 6) == 0 && strchr(*said, '\n') == *said + len - 1));
	for (int i = 0; i < argc; i++)		/* perhaps in another order */
		for (int k = 0; k < argc; k++)
			found += argv[i] == words[k];
	MUST(found == argc && !argv[argc]);
	if (result != OPTIONS_WRONG)
		check(result, argc);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[WORDS_MAX + 2] = { NULL }, *said, *said_abroad;

	if (size < 1)
		return 0;
	char *text = fuzz_text(data + 1, size - 1);
	int argc = split(text, size - 1, words);
	options.anywhere = data[0] & 1;
	fuzz_abroad(false);
	int result = parse(argc, words, &said);
	struct values here = values;
	memset(&values, 0, sizeof values);
	fuzz_abroad(true);
	MUST(parse(argc, words, &said_abroad) == result && strcmp(said, said_abroad) == 0);
	fuzz_abroad(false);
	MUST(here.number == values.number && here.ms == values.ms && here.free_ms == values.free_ms &&
	    here.bytes == values.bytes && here.list.count == values.list.count);
	option_list_free(&here.list);
	option_list_free(&values.list);
	memset(&values, 0, sizeof values);
	free(said_abroad);
	free(said);
	free(text);
	return 0;
}
