/* Tasks: zkq-task(5). Everything here comes from strangers. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "codec/json_fields.h"

#define NAME_MAX_BYTES 128	/* a label for lists */
#define CWD_MAX_BYTES 4095	/* no longer path can be changed to */
#define KEY_MAX_BYTES 1024	/* stands in the tree for as long as results do, and longer */
#define RETRIES_MAX 1000
#define INPUT_MAX (64 * 1024)	/* standard input; more belongs into a file */

/* ---- writing ---- */

static bool
all_utf8(const char *const *strings)
{
	for (; strings && *strings; strings++)
		if (!utf8_ok(*strings, strlen(*strings)))
			return false;
	return true;
}

static void
add_argv(struct text *text, const char *const *argv)
{
	bool plain = all_utf8(argv);

	text_key(text, plain ? "argv" : "argv_base64");
	for (int i = 0; argv[i]; i++) {
		text_words(text, i ? "," : "[");
		if (plain)
			text_quoted(text, argv[i], strlen(argv[i]));
		else
			text_base64(text, argv[i], strlen(argv[i]));
	}
	text_words(text, argv[0] ? "]" : "[]");
}

/* A later value of a name replaces the earlier one, as in env(1): an object holds a name once. */
static void
add_env(struct text *text, const char *const *env)
{
	text_key(text, "env");
	text_words(text, "{");
	for (int i = 0; env[i]; i++) {
		size_t name = strcspn(env[i], "=");
		bool later = false;

		for (int k = i + 1; env[k] && !later; k++)
			later = strncmp(env[k], env[i], name) == 0 && strcspn(env[k], "=") == name;
		if (later)
			continue;
		if (text->len && text->data[text->len - 1] != '{')
			text_words(text, ",");
		text_quoted(text, env[i], name);
		text_words(text, ":");
		text_quoted(text, env[i][name] ? env[i] + name + 1 : "", strlen(env[i] + name + (env[i][name] ? 1 : 0)));
	}
	text_words(text, "}");
}

static void
add_input(struct text *text, const char *input, size_t len)
{
	if (utf8_ok(input, len) && !memchr(input, '\0', len)) {
		text_key(text, "stdin");
		text_quoted(text, input, len);
	} else {
		text_key(text, "stdin_base64");
		text_base64(text, input, len);
	}
}

/* The field that cannot be written because JSON is UTF-8, or NULL. */
static const char *
unspeakable(const struct task_spec *spec)
{
	if (spec->name && !utf8_ok(spec->name, strlen(spec->name)))
		return "name: not UTF-8";
	if (spec->cwd && !utf8_ok(spec->cwd, strlen(spec->cwd)))
		return "cwd: not UTF-8";
	if (!all_utf8(spec->env))
		return "env: not UTF-8";
	return NULL;
}

const char *
task_encode(struct arena *arena, const struct task_spec *spec, size_t *len, const char **why)
{
	struct text text;

	*why = unspeakable(spec);
	if (*why)
		return NULL;
	text_open(&text, arena);
	if (spec->argv)
		add_argv(&text, spec->argv);
	if (spec->noop)
		text_bool(&text, "noop", true);
	text_string(&text, "name", spec->name);
	text_string(&text, "by", spec->by);
	text_time(&text, "at", spec->at_wall_ms);
	text_string(&text, "cwd", spec->cwd);
	if (spec->env)
		add_env(&text, spec->env);
	if (spec->input)
		add_input(&text, spec->input, spec->input_len);
	if (spec->time_limit_ms)
		text_seconds(&text, "time_limit", spec->time_limit_ms);
	if (spec->kill_grace_ms >= 0)
		text_seconds(&text, "kill_grace", spec->kill_grace_ms);
	if (spec->retries)
		text_int(&text, "retries", spec->retries);
	if (spec->priority >= 0)
		text_int(&text, "priority", spec->priority);
	const char *json = text_close(&text, len);
	if (!json)
		*why = "out of memory";
	return json;
}

/* ---- reading ---- */

const char *
task_key_wrong(const char *key)
{
	size_t len = strlen(key);

	return len == 0 || len > KEY_MAX_BYTES ? "must be 1 to 1024 bytes" : utf8_ok(key, len) ? NULL : "not UTF-8";
}

/* Reads an array of strings, in base64 or not; the array ends with NULL. */
static const char *const *
read_strings(struct reader *reader, const char *key, bool base64)
{
	json_t *array = read_field(reader, key);
	size_t count = json_array_size(array);	/* 0 for what is no array */

	if (count == 0) {
		reader_fail(reader, key, "must be an array of strings, not empty");
		return NULL;
	}
	const char **strings = arena_alloc(reader->arena, (count + 1) * sizeof *strings);
	for (size_t i = 0; strings && i < count; i++) {
		json_t *item = json_array_get(array, i);
		size_t len;

		if (!json_is_string(item)) {
			reader_fail(reader, key, "must be an array of strings, not empty");
			return NULL;
		}
		strings[i] = base64 ? base64_read(reader->arena, json_string_value(item), &len) :
		    arena_copy(reader->arena, json_string_value(item), json_string_length(item));
		if (!strings[i] || (base64 && strlen(strings[i]) != len)) {
			reader_fail(reader, key, "must be base64 of bytes without NUL");
			return NULL;
		}
	}
	if (strings && !strings[0][0])
		reader_fail(reader, key, "the command is empty");
	return strings;
}

static void
read_argv(struct reader *reader, struct task_spec *spec)
{
	bool plain = read_field(reader, "argv"), base64 = read_field(reader, "argv_base64");

	if (read_field(reader, "shell"))
		reader_fail(reader, "shell", "write \"argv\":[\"/bin/sh\",\"-c\",...] instead");
	else if (plain && base64)
		reader_fail(reader, "argv", "given twice, plain and in base64");
	else if (plain || base64)
		spec->argv = read_strings(reader, plain ? "argv" : "argv_base64", base64);
	else if (!spec->noop)
		reader_fail(reader, "argv", "missing");
}

static bool
env_name_ok(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return name[0] && !(name[0] >= '0' && name[0] <= '9') && strspn(name, letters) == strlen(name) &&
	    strncmp(name, "ZKQ_", 4) != 0;
}

static void
read_env(struct reader *reader, struct task_spec *spec)
{
	json_t *object = read_field(reader, "env"), *value;
	const char *name;
	size_t count = 0;

	if (!object)
		return;
	if (!json_is_object(object)) {
		reader_fail(reader, "env", "must be an object of strings");
		return;
	}
	const char **env = arena_alloc(reader->arena, (json_object_size(object) + 1) * sizeof *env);
	if (!env)
		return;
	json_object_foreach(object, name, value) {
		if (!env_name_ok(name))
			reader_fail(reader, "env", "names are letters, digits and _, and do not begin with ZKQ_");
		else if (!json_is_string(value))
			reader_fail(reader, "env", "must be an object of strings");
		else
			env[count++] = arena_printf(reader->arena, "%s=%s", name, json_string_value(value));
	}
	spec->env = env;
}

static void
read_input(struct reader *reader, struct task_spec *spec)
{
	json_t *plain = read_field(reader, "stdin");

	if (plain && read_field(reader, "stdin_base64"))
		reader_fail(reader, "stdin", "given twice, plain and in base64");
	if (plain) {
		spec->input = read_string(reader, "stdin");
		spec->input_len = spec->input ? json_string_length(plain) : 0;
	} else {
		spec->input = read_base64(reader, "stdin_base64", &spec->input_len);
	}
	if (spec->input_len > INPUT_MAX)
		reader_fail(reader, "stdin", "longer than 65536 bytes");
}

/* Seconds: at least the smallest that can be told, or 0 where zero may be said. */
static int64_t
read_duration(struct reader *reader, const char *key, bool zero_too, int64_t absent)
{
	json_t *field = read_field(reader, key);

	if (!field)
		return absent;
	double seconds = json_number_value(field);	/* 0 for what is no number */
	if (json_is_number(field) && seconds >= (zero_too ? 0 : 0.001) && seconds <= SECONDS_MAX)
		return (int64_t)(seconds * 1000 + 0.5);
	reader_fail(reader, key, zero_too ? "must be a number of seconds from 0 to 1000000000" :
	    "must be a number of seconds from 0.001 to 1000000000");
	return absent;
}

static void
read_task(struct reader *reader, struct task_spec *spec)
{
	spec->noop = read_bool(reader, "noop", false);
	read_argv(reader, spec);
	spec->name = read_string(reader, "name");
	if (spec->name && (strlen(spec->name) > NAME_MAX_BYTES || !printable(spec->name)))
		reader_fail(reader, "name", "must be at most 128 bytes without control characters");
	if (spec->name && !spec->name[0])
		spec->name = NULL;	/* none: lists would show nothing */
	spec->cwd = read_string(reader, "cwd");
	if (spec->cwd && (spec->cwd[0] != '/' || strlen(spec->cwd) > CWD_MAX_BYTES))
		reader_fail(reader, "cwd", "must be an absolute path of at most 4095 bytes");
	read_env(reader, spec);
	read_input(reader, spec);
	spec->time_limit_ms = read_duration(reader, "time_limit", false, TIME_LIMIT_NONE);
	spec->kill_grace_ms = read_duration(reader, "kill_grace", true, KILL_GRACE_MS);
	spec->retries = (int)read_int(reader, "retries", 0, RETRIES_MAX, 0);
	spec->priority = (int)read_int(reader, "priority", PRIORITY_MIN, PRIORITY_MAX, PRIORITY_DEFAULT);
	spec->by = read_string(reader, "by");
	read_string(reader, "at");
	spec->key = read_string(reader, "key");
	if (spec->key && task_key_wrong(spec->key))
		reader_fail(reader, "key", task_key_wrong(spec->key));
}

bool
task_decode(struct arena *arena, const char *data, size_t len, struct task_spec *spec, const char **why)
{
	struct reader reader;
	bool ok = false;

	memset(spec, 0, sizeof *spec);
	*why = NULL;
	if (len > PAYLOAD_HARD_MAX) {
		*why = "larger than 524288 bytes";
		return false;
	}
	if (reader_open(&reader, arena, data, len)) {
		read_task(&reader, spec);
		ok = reader_close(&reader);
	}
	*why = reader.why;
	return ok;
}

/* What lists show: its label, else the base name of its program when that would do as one. */
static const char *
label(const struct task_spec *spec)
{
	const char *program = spec->argv ? spec->argv[0] : NULL;
	const char *slash = program ? strrchr(program, '/') : NULL;
	const char *base = slash && slash[1] ? slash + 1 : program;

	if (spec->name || !base)
		return spec->name;
	return *base && strlen(base) <= NAME_MAX_BYTES && printable(base) ? base : NULL;
}

void
decode_task(struct arena *arena, const char *data, size_t len, struct rec_task *task)
{
	struct task_spec spec;
	bool ok = task_decode(arena, data, len, &spec, &task->invalid);

	/* What is no task is kept as it came: it goes into the dead letter. */
	task->text = ok ? one_line(arena, data, len) : arena_copy(arena, data, len);
	task->len = ok && task->text ? strlen(task->text) : len;
	task->class_text = class_default_text;
	task->class_hash = class_default_hash();
	task->priority = PRIORITY_DEFAULT;
	task->kill_grace_ms = KILL_GRACE_MS;
	if (!task->text) {
		task->text = "";
		task->len = 0;
		task->invalid = "out of memory";
	}
	if (task->invalid)
		return;
	task->priority = spec.priority;
	task->name = label(&spec);
	task->time_limit_ms = spec.time_limit_ms;
	task->kill_grace_ms = spec.kill_grace_ms;
	task->noop = spec.noop;
}

/* Its text with another time limit. What is no JSON object is written as it is: it was never to run. */
const char *
encode_retimed(struct arena *arena, const struct rec_task *task, size_t *len)
{
	json_t *object = parse(arena, task->text, task->len, NULL);
	bool ok = json_is_object(object) && (task->time_limit_ms > 0 ?
	    json_object_set_new(object, "time_limit", json_real((double)task->time_limit_ms / 1000)) == 0 :
	    (json_object_del(object, "time_limit"), true));
	char *line = ok ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	const char *text = arena_copy(arena, line ? line : task->text, line ? strlen(line) : task->len);

	*len = line ? strlen(line) : task->len;
	free(line);
	json_decref(object);
	return text;
}

/* ---- batches ---- */

/* How many values an array has that has been parsed already; at most most + 1 are counted. */
static int
count_values(struct arena *arena, const char *data, size_t len, int most)
{
	json_t *array = parse(arena, data, len, NULL);
	int count = json_is_array(array) ? json_array_size(array) > (size_t)most ? most + 1 :
	    (int)json_array_size(array) : -1;

	json_decref(array);
	return count;
}

bool
decode_batch(struct arena *arena, const char *data, size_t len, struct rec_batch *batch, const char **why)
{
	int count = count_values(arena, data, len, MULTI_TASKS_MAX);

	memset(batch, 0, sizeof *batch);
	if (count < 0 || count > MULTI_TASKS_MAX) {
		*why = count < 0 ? "not a JSON array" : "more than 250 tasks";
		return false;
	}
	const char *text = arena_copy(arena, data, len);	/* for its NUL */
	batch->tasks = arena_alloc(arena, (size_t)(count ? count : 1) * sizeof *batch->tasks);
	if (!text || !batch->tasks) {
		*why = "out of memory";
		return false;
	}
	const char *at = text + strspn(text, " \t\r\n");
	for (batch->count = 0; batch->count < count; batch->count++) {
		at += 1 + strspn(at + 1, " \t\r\n");	/* over '[' or ',' */
		const char *end = value_end(at);
		decode_task(arena, at, (size_t)(end - at), &batch->tasks[batch->count]);
		at = end + strspn(end, " \t\r\n");
	}
	return true;
}
