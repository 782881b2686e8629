/* JSON for people and scripts: what --json prints can be read again, whatever texts are in it; and the look into foreign JSON
 * text agrees with a whole parser. */
#include <jansson.h>
#include <string.h>

#include "base/jsonout.h"
#include "fuzz.h"

/* Values that jansson refuses for reasons that the scanner does not have: numbers beyond a double, lone surrogates, NULs,
 * bytes that are no UTF-8. */
static bool
stricter(const json_error_t *error)
{
	enum json_error_code code = json_error_code(error);

	return code == json_error_numeric_overflow || code == json_error_null_character ||
	    code == json_error_null_byte_in_key || code == json_error_invalid_utf8 || strstr(error->text, "invalid Unicode");
}

static int
brackets(const char *text, size_t len)
{
	int count = 0;

	for (size_t i = 0; i < len; i++)
		count += text[i] == '{' || text[i] == '[';
	return count;
}

static void
scanner(const char *text, size_t len)
{
	json_error_t error;
	size_t size = jsontext_value(text, len), member_len = 0;

	MUST(size <= len);
	json_t *json = size > 0 ? json_loadb(text, size, JSON_DECODE_ANY, &error) : NULL;
	MUST(json || size == 0 || stricter(&error));
	if (size == 0) {	/* no value, or one that is nested deeper than we follow */
		json_t *whole = json_loadb(text, len, JSON_DECODE_ANY, &error);

		/* jansson passes over a NUL behind a number. */
		MUST(!whole || brackets(text, len) > 64 || memchr(text, '\0', len));
		json_decref(whole);
	}
	const char *member = jsontext_member(text, len, "task", &member_len);
	if (json_is_object(json) && !memchr(text, '\\', size))	/* an escape may spell the same name */
		MUST(!member == !json_object_get(json, "task"));
	MUST(!member || (member >= text && member + member_len <= text + len && jsontext_value(member, member_len) == member_len));
	json_decref(json);
}

static void
print(FILE *out, const char *text, size_t len, int64_t number)
{
	struct jsonout json;
	double real;

	memcpy(&real, &number, sizeof real);
	jsonout_start(&json, out);
	jsonout_object(&json, NULL);
	jsonout_bytes(&json, "bytes", text, len);
	jsonout_string(&json, "string", text);
	jsonout_text(&json, "text", text, len);
	jsonout_number(&json, "number", number);
	jsonout_wide(&json, "wide", (uint64_t)number);
	jsonout_real(&json, "real", real < 1e15 && real > -1e15 ? real : 0);
	jsonout_time(&json, "time", number);
	jsonout_seconds(&json, "seconds", number);
	jsonout_end(&json);
}

static void
printed(const char *text, size_t len, int64_t number)
{
	json_error_t error;
	size_t size, size_abroad;

	print(fuzz_memory_begin(), text, len, number);
	char *here = strdup(fuzz_memory_end(&size));
	fuzz_abroad(true);
	print(fuzz_memory_begin(), text, len, number);
	fuzz_abroad(false);
	MUST(strcmp(here, fuzz_memory_end(&size_abroad)) == 0 && size == size_abroad);
	/* One line; nothing for a terminal to obey. */
	MUST(size == strlen(here) && strchr(here, '\n') == here + size - 1 && fuzz_harmless(here, size, "\n"));
	json_t *json = json_loadb(here, size, JSON_ALLOW_NUL, &error);
	if (!json)	/* a text was passed on as it is, and jansson does not like it */
		MUST(jsontext_value(text, len) > 0 && stricter(&error));
	if (json && json_object_get(json, "bytes")) {
		json_t *bytes = json_object_get(json, "bytes");

		MUST(json_string_length(bytes) == len && memcmp(json_string_value(bytes), text, len) == 0);
	}
	MUST(!json || json_integer_value(json_object_get(json, "number")) == number);
	json_decref(json);
	free(here);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	int64_t number = 0;

	memcpy(&number, data, size < sizeof number ? size : sizeof number);
	fuzz_abroad(false);
	scanner(text, size);
	printed(text, size, number);
	free(text);
	return 0;
}
