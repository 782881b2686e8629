/* JSON on its way out, CSV and tables. */
#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonout.h"
#include "base/output.h"
#include "base/table.h"

static char *got;
static size_t got_size;

static FILE *
begin(void)
{
	return open_memstream(&got, &got_size);
}

static void
expect(FILE *out, const char *expected)
{
	fclose(out);
	ck_assert_str_eq(got, expected);
	free(got);
}

START_TEST(writes_values)
{
	FILE *out = begin();
	struct jsonout json;

	jsonout_start(&json, out);
	jsonout_object(&json, NULL);
	jsonout_string(&json, "s", "a\"b\\c\nd");
	jsonout_string(&json, "none", NULL);
	jsonout_number(&json, "n", -5);
	jsonout_wide(&json, "w", UINT64_MAX);
	jsonout_real(&json, "r", 1.5);
	jsonout_real(&json, "nan", NAN);
	jsonout_bool(&json, "b", true);
	jsonout_time(&json, "t", 1795158667123LL);
	jsonout_time(&json, "t0", 0);
	jsonout_seconds(&json, "d", 12400);
	jsonout_array(&json, "a");
	jsonout_number(&json, NULL, 1);
	jsonout_object(&json, NULL);
	jsonout_end(&json);
	jsonout_end(&json);
	jsonout_end(&json);
	expect(out, "{\"s\":\"a\\\"b\\\\c\\nd\",\"none\":null,\"n\":-5,\"w\":\"18446744073709551615\",\"r\":1.500,\"nan\":null,"
	    "\"b\":true,\"t\":\"2026-11-20T07:11:07.123Z\",\"t0\":\"1970-01-01T00:00:00.000Z\",\"d\":12.400,\"a\":[1,{}]}\n");
}
END_TEST

START_TEST(escapes_what_might_do_harm)
{
	FILE *out = begin();
	struct jsonout json;

	jsonout_start(&json, out);
	jsonout_object(&json, NULL);
	jsonout_string(&json, "esc", "\x1b[2J\x7f\xc2\x9b\xe2\x80\xae");
	jsonout_string(&json, "tag", "\xf3\xa0\x81\x81");
	jsonout_string(&json, "fine", "Grüße 世界");
	jsonout_bytes(&json, "nul", "a\0b", 3);
	jsonout_bytes(&json, "raw", "\xff\xfe\x01", 3);
	jsonout_bytes(&json, "raw1", "\xff", 1);
	jsonout_bytes(&json, "raw2", "\xff\xff", 2);
	jsonout_end(&json);
	expect(out, "{\"esc\":\"\\u001b[2J\\u007f\\u009b\\u202e\",\"tag\":\"\\udb40\\udc41\",\"fine\":\"Grüße 世界\","
	    "\"nul\":\"a\\u0000b\",\"raw_base64\":\"//4B\",\"raw1_base64\":\"/w==\",\"raw2_base64\":\"//8=\"}\n");
}
END_TEST

START_TEST(passes_json_on)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "{\"a\":[1,2.5e-3,true,null],\"b\":{}}", "[{\"a\":[1,2.5e-3,true,null],\"b\":{}}]\n" },
		{ "[\"\xe2\x80\xae\x7f\"]", "[[\"\\u202e\\u007f\"]]\n" },
		{ " 1 ", "[ 1]\n" },
		{ "{\"a\":1", "[\"{\\\"a\\\":1\"]\n" },
		{ "1 2", "[\"1 2\"]\n" },
		{ "", "[\"\"]\n" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		FILE *out = begin();
		struct jsonout json;

		jsonout_start(&json, out);
		jsonout_array(&json, NULL);
		jsonout_text(&json, NULL, rows[i].text, strlen(rows[i].text));
		jsonout_end(&json);
		expect(out, rows[i].expected);
	}
}
END_TEST

START_TEST(finds_members)
{
	static const char text[] = "{\"argv\": [\"./f\", \"a]\\\"b\"], \"x\":{\"cwd\":\"no\"}, \"cwd\" : \"/srv\", \"n\":-1.5e3}";
	size_t len = 0;
	const char *value = jsontext_member(text, strlen(text), "argv", &len);

	ck_assert(value && len == strlen("[\"./f\", \"a]\\\"b\"]") && memcmp(value, "[\"./f\"", 6) == 0);
	value = jsontext_member(text, strlen(text), "cwd", &len);
	ck_assert(value && len == 6 && memcmp(value, "\"/srv\"", 6) == 0);
	ck_assert_ptr_null(jsontext_member(text, strlen(text), "none", &len));
	ck_assert_ptr_null(jsontext_member("[1]", 3, "n", &len));
}
END_TEST

START_TEST(knows_json)
{
	static const char *const good[] = { "0", "-0", "1.5", "1e9", "\"\"", "\"\\u00e4\\n\"", "[]", "[[],{}]", "{\"\":1}", "null" };
	static const char *const bad[] = { "", "+1", "1.", ".5", "1e", "\"", "\"\\x\"", "\"\\u12\"", "\"\n\"", "[", "[1,]", "{\"a\"}",
		"{a:1}", "nul", "{\"a\":1,}", "]", "-" };
	char deep[201];

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(jsontext_value(good[i], strlen(good[i])) == strlen(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(jsontext_value(bad[i], strlen(bad[i])) == 0, "%s", bad[i]);
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	ck_assert_uint_eq(jsontext_value(deep, 200), 0);
}
END_TEST

START_TEST(quotes_csv)
{
	FILE *out = tmpfile();
	char back[64] = "";

	output_csv(out, "plain", 5);
	putc(',', out);
	output_csv(out, "a,b", 3);
	putc(',', out);
	output_csv(out, "say \"x\"\n", 8);
	rewind(out);
	size_t n = fread(back, 1, sizeof back - 1, out);
	back[n] = '\0';
	ck_assert_str_eq(back, "plain,\"a,b\",\"say \"\"x\"\"\n\"");
	fclose(out);
}
END_TEST

START_TEST(aligns_tables)
{
	static const struct table_column columns[] = { { .title = "ID" }, { .title = "N", .right = true },
		{ .title = "NAME", .max = 6 }, { .title = "WHY" } };
	struct table *table = table_new(columns, 4);
	FILE *out = begin();

	table_row(table, (const char *[]){ "default.1.x", "5", "a long name", NULL });
	table_row(table, (const char *[]){ "世界", "1000", "a\nb", "a reason that is long" });
	table_color(table, 3, 31);
	table_print(table, out, true, false, 40);
	expect(out,
	    "ID              N  NAME    WHY\n"
	    "default.1.x     5  a lon…  -\n"
	    "世界         1000  a\\x0ab  a reason tha…\n");
	table_free(table);
}
END_TEST

int
main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	Suite *suite = suite_create("jsonout");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, writes_values);
	tcase_add_test(tcase, escapes_what_might_do_harm);
	tcase_add_test(tcase, passes_json_on);
	tcase_add_test(tcase, finds_members);
	tcase_add_test(tcase, knows_json);
	tcase_add_test(tcase, quotes_csv);
	tcase_add_test(tcase, aligns_tables);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
