/* A whole configuration file, from memory (memfd). What is accepted can be printed and is the same then; what is refused
 * is refused in one line that says where. */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/options.h"
#include "fuzz.h"

static struct {
	bool flag, wrong;
	const char *config, *text, *name;
	int number;
	int64_t ms;
	uint64_t bytes;
	enum log_level level;
	enum log_format format;
} values;

static const char *
check_name(const char *text)
{
	return strlen(text) > 8 ? "at most 8 letters" : NULL;
}

static const struct option_row rows[] = {
	{ .name = "config", .argument = "FILE", .kind = OPTION_CONFIG, .into = &values.config },
	{ .letter = 's', .name = "slots", .argument = "N", .kind = OPTION_NUMBER, .into = &values.number,
	    .preset = "4", .min = 1, .max = 1000, .section = "worker", .live = true },
	{ .name = "lost-after", .argument = "TIME", .kind = OPTION_TIME, .into = &values.ms, .preset = "30s",
	    .min = 1000, .max = 86400000, .section = "worker" },
	{ .name = "log-head", .argument = "SIZE", .kind = OPTION_SIZE, .into = &values.bytes, .preset = "64K",
	    .min = 1024, .max = 1LL << 40, .section = "worker" },
	{ .name = "name", .argument = "NAME", .kind = OPTION_TEXT, .into = &values.name, .section = "worker",
	    .check = check_name },
	{ .name = "connect", .argument = "HOSTS", .kind = OPTION_TEXT, .into = &values.text, .preset = "a:1",
	    .section = "zookeeper" },
	{ .name = "drain", .kind = OPTION_FLAG, .into = &values.flag, .section = "worker", .live = true },
	{ .name = "level", .argument = "LEVEL", .kind = OPTION_LEVEL, .into = &values.level, .preset = "info",
	    .section = "log", .live = true },
	{ .name = "format", .argument = "FORMAT", .kind = OPTION_FORMAT, .into = &values.format,
	    .preset = "text", .section = "log", .live = true },
	{ 0 },
};

static void
on_wrong_file(const char *message)
{
	(void)message;
	values.wrong = true;
}

static const struct options options = {
	.program = "fuzz", .call = "fuzz", .usage = "fuzz", .about = "Tests.", .manual = "fuzz(1)", .version = "0",
	.tables = { rows }, .wrong_file = on_wrong_file,
};

/* A file in memory; its name stays the same. */
static const char *
file_of(const char *text, size_t len)
{
	static char name[40];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		MUST(fd >= 0 && fchmod(fd, 0600) == 0);
		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	}
	MUST(pwrite(fd, text, len, 0) == (ssize_t)len && ftruncate(fd, (off_t)len) == 0);
	return name;
}

/* ---- the file alone ---- */

static void
check_value(const struct conf_value *value, const char *name, int lines)
{
	MUST(*value->section && *value->text && strcmp(value->file, name) == 0);
	MUST(value->line >= 1 && value->line <= lines);
	MUST(!strchr(value->key, '\n') && !strchr(value->text, '\n') && !strchr(value->section, '\n'));
}

/* Prints the values as a file; false when a line could be longer than is read. */
static bool
print(const struct conf *conf)
{
	FILE *out = fuzz_memory_begin();
	bool fits = true;

	for (int i = 0; i < conf->count; i++) {
		const struct conf_value *value = &conf->values[i];

		fprintf(out, "[%s]\n%s=%s\n", value->section, value->key, value->text);
		fits = fits && strlen(value->key) + strlen(value->text) < 150;
	}
	return fits;
}

static void
file_alone(const char *name, int lines)
{
	struct conf conf = { 0 }, again = { 0 };
	char why[512] = "", place[48];
	size_t len;

	bool good = conf_read(&conf, name, false, why, sizeof why);
	MUST(good == (*why == '\0'));
	for (int i = 0; good && i < conf.count; i++) {
		const struct conf_value *value = &conf.values[i];

		check_value(value, name, lines);
		MUST(conf_find(&conf, value->section, value->key) == value);	/* none is there twice */
	}
	snprintf(place, sizeof place, "%s:", name);
	MUST(good || (strncmp(why, place, strlen(place)) == 0 && !strchr(why, '\n')));
	if (good && print(&conf)) {
		const char *text = fuzz_memory_end(&len);

		MUST(conf_read(&again, file_of(text, len), false, why, sizeof why));
		MUST(again.count == conf.count);
		for (int i = 0; i < conf.count; i++) {
			MUST(strcmp(conf.values[i].section, again.values[i].section) == 0);
			MUST(strcmp(conf.values[i].key, again.values[i].key) == 0);
			MUST(strcmp(conf.values[i].text, again.values[i].text) == 0);
		}
	}
	conf_free(&again);
	conf_free(&conf);
}

/* ---- as options ---- */

/* What options_parse() makes of it, and what it says; stderr is ours meanwhile. */
static int
parse(const char *name)
{
	char word[] = "fuzz", option[] = "--config", file[48];
	char *argv[] = { word, option, file, NULL };
	FILE *real = stderr;
	size_t len;

	snprintf(file, sizeof file, "%s", name);
	memset(&values, 0, sizeof values);
	stderr = fuzz_memory_begin();
	int result = options_parse(&options, 3, argv);
	stderr = real;
	const char *said = fuzz_memory_end(&len);
	MUST(result == (len ? OPTIONS_WRONG_FILE : 3) && values.wrong == (len > 0));
	/* One line that a terminal may have, with the place in it. */
	MUST(!len || (fuzz_harmless(said, len, "\n") && strchr(said, '\n') == said + len - 1));
	MUST(!len || strncmp(said, "fuzz: /proc/self/fd/", 20) == 0);
	return result;
}

static void
as_options(const char *name)
{
	size_t len;

	if (parse(name) != 3)
		return;
	MUST(values.number >= 1 && values.number <= 1000 && values.ms >= 1000 && values.ms <= 86400000);
	MUST(values.bytes >= 1024 && values.bytes <= 1ULL << 40 && values.level < LEVELS);
	MUST(!values.name || strlen(values.name) <= 8);
	int number = values.number;
	int64_t ms = values.ms;
	uint64_t bytes = values.bytes;
	bool flag = values.flag;
	char *text = strdup(values.text);

	/* What is in effect is printed as a file that has the same effect, unless a text needs an escape or looks like a
	 * comment. */
	options_print_effective(&options, fuzz_memory_begin());
	char *printed = strdup(fuzz_memory_end(&len));
	MUST(fuzz_harmless(printed, strlen(printed), "\n"));
	bool plain = !strchr(printed, '\\') && text[0] != ';' && (!values.name || values.name[0] != ';') && strlen(text) < 100;
	if (plain) {
		MUST(parse(file_of(printed, strlen(printed))) == 3);
		MUST(number == values.number && ms == values.ms && bytes == values.bytes && flag == values.flag);
		MUST(strcmp(text, values.text) == 0);
	}
	free(text);
	free(printed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	fuzz_abroad(false);
	file_alone(file_of((const char *)data, size), lines);
	fuzz_abroad(true);
	as_options(file_of((const char *)data, size));
	fuzz_abroad(false);
	return 0;
}
