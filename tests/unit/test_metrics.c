/* The text for Prometheus, snapshots on their way to the HTTP process, and the manual's tables of metrics. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/snapshot.h"

#define PAGE_MAX (256 * 1024)

START_TEST(histogram_puts_each_time_below_its_limit)
{
	struct histogram histogram = { 0 };

	histogram_add(&histogram, -5);
	histogram_add(&histogram, 1);
	histogram_add(&histogram, 2);
	histogram_add(&histogram, histogram_limits_ms[HISTOGRAM_LIMITS - 1]);
	histogram_add(&histogram, histogram_limits_ms[HISTOGRAM_LIMITS - 1] + 1);
	ck_assert_uint_eq(histogram.counts[0], 2);
	ck_assert_uint_eq(histogram.counts[1], 1);
	ck_assert_uint_eq(histogram.counts[HISTOGRAM_LIMITS - 1], 1);
	ck_assert_uint_eq(histogram.counts[HISTOGRAM_LIMITS], 1);
	ck_assert_int_eq(histogram.sum_ms, 3 + 2 * histogram_limits_ms[HISTOGRAM_LIMITS - 1] + 1);
}
END_TEST

START_TEST(text_has_help_and_type_once)
{
	struct metrics metrics = { 0 };

	metrics_add(&metrics, METRIC_PAUSED, 1, "a", NULL);
	metrics_add(&metrics, METRIC_PAUSED, 0, "b\"\\\n", NULL);
	metrics_add(&metrics, METRIC_TASKS, 123456789012, "a", "waiting");
	ck_assert_str_eq(metrics.text,
	    "# HELP zkq_queue_paused Whether the queue is paused.\n"
	    "# TYPE zkq_queue_paused gauge\n"
	    "zkq_queue_paused{queue=\"a\"} 1\n"
	    "zkq_queue_paused{queue=\"b\\\"\\\\\\n\"} 0\n"
	    "# HELP zkq_tasks Live tasks: waiting, or running (given to a worker).\n"
	    "# TYPE zkq_tasks gauge\n"
	    "zkq_tasks{queue=\"a\",state=\"waiting\"} 123456789012\n");
	metrics_free(&metrics);
}
END_TEST

START_TEST(histogram_counts_add_up)
{
	struct metrics metrics = { 0 };
	struct histogram histogram = { .counts = { 1, 2, 0, 1, [HISTOGRAM_LIMITS] = 4 }, .sum_ms = 1500 };

	metrics_histogram(&metrics, METRIC_ZK_DURATION, &histogram, "get");
	ck_assert_ptr_nonnull(strstr(metrics.text, "_bucket{op=\"get\",le=\"0.001\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(metrics.text, "_bucket{op=\"get\",le=\"0.005\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(metrics.text, "_bucket{op=\"get\",le=\"86400\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(metrics.text, "_bucket{op=\"get\",le=\"+Inf\"} 8\n"));
	ck_assert_ptr_nonnull(strstr(metrics.text, "_seconds_sum{op=\"get\"} 1.5\n"));
	ck_assert_ptr_nonnull(strstr(metrics.text, "_seconds_count{op=\"get\"} 8\n"));
	metrics_free(&metrics);
}
END_TEST

START_TEST(snapshot_arrives_as_it_was_sent)
{
	struct snapshot sent = { 0 }, got;
	size_t len;

	snapshot_check(&sent, "zookeeper", true, NULL);
	ck_assert(!sent.unready);
	snapshot_check(&sent, "role", false, "takes over");
	metrics_value(&sent.metrics, METRIC_IS_LEADER, 1);
	char *data = snapshot_encode(&sent, &len);
	ck_assert_ptr_nonnull(data);
	ck_assert(snapshot_decode(&got, data, len));
	ck_assert_str_eq(got.checks, "[+]zookeeper ok\n[-]role takes over\n");
	ck_assert(got.unready);
	ck_assert_str_eq(got.metrics.text, sent.metrics.text);
	snapshot_free(&got);
	/* Whatever is cut off: less is told, nothing breaks. */
	for (size_t part = 0; part < len; part++) {
		if (snapshot_decode(&got, data, part))
			snapshot_free(&got);
	}
	memset(data, 0xff, len);
	ck_assert(!snapshot_decode(&got, data, len));
	free(data);
	snapshot_free(&sent);
}
END_TEST

/* ---- the manual ---- */

static const char *
read_page(const char *name)
{
	static char page[PAGE_MAX];
	char path[4096];
	const char *top = getenv("top_srcdir");

	snprintf(path, sizeof path, "%s/man/%s", top ? top : ".", name);
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s cannot be read", path);
	page[fread(page, 1, sizeof page - 1, file)] = '\0';
	fclose(file);
	return page;
}

static int
count_of(const char *page, const char *text)
{
	int count = 0;

	for (const char *at = page; (at = strstr(at, text)); at++)
		count++;
	return count;
}

static bool
is_in(const struct metric_row *row, bool worker)
{
	return row->of == OF_BOTH || (row->of == OF_WORKER) == worker;
}

static void
compare(const char *name, bool worker)
{
	const char *page = read_page(name);
	char lines[1024];
	int rows = 0;

	for (int i = 0; i < METRICS; i++) {
		const struct metric_row *row = &metric_rows[i];

		ck_assert_msg(row->name && row->help, "metric %d has no row", i);
		if (!is_in(row, worker))
			continue;
		rows++;
		snprintf(lines, sizeof lines, ".It Ic %s Pq %s%s%s%s%s\n%s\n", row->name, metric_type_word(row->type),
		    row->labels[0] ? "; " : "", row->labels[0] ? row->labels[0] : "", row->labels[1] ? ", " : "",
		    row->labels[1] ? row->labels[1] : "", row->help);
		ck_assert_msg(strstr(page, lines) != NULL, "%s lacks or has otherwise:\n%s", name, lines);
	}
	ck_assert_int_eq(count_of(page, ".It Ic zkq_") + count_of(page, ".It Ic process_"), rows);
}

START_TEST(manual_has_the_tables)
{
	compare("zkq-dispatcher.8", false);
	compare("zkq-worker.8", true);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tcase = tcase_create("metrics");

	tcase_add_test(tcase, histogram_puts_each_time_below_its_limit);
	tcase_add_test(tcase, text_has_help_and_type_once);
	tcase_add_test(tcase, histogram_counts_add_up);
	tcase_add_test(tcase, snapshot_arrives_as_it_was_sent);
	tcase_add_test(tcase, manual_has_the_tables);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
