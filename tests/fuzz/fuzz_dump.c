/* Lines of an exported tree, as an import reads them. */
#include <string.h>

#include "codec/dump.h"
#include "fuzz.h"

static void
same(const struct dump *a, const struct dump *b)
{
	MUST(a->kind == b->kind && a->count == b->count && a->len == b->len);
	MUST(a->kind != DUMP_ZNODE || (strcmp(a->path, b->path) == 0 && a->stat.version == b->stat.version &&
	    a->stat.czxid == b->stat.czxid && a->stat.mzxid == b->stat.mzxid && !a->stat.owner == !b->stat.owner));
	MUST(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct dump dump, again;
	const char *why = NULL;
	size_t len;

	fuzz_abroad(false);
	if (dump_decode(&arena, (const char *)data, size, &dump, &why)) {
		MUST(dump.kind != DUMP_ZNODE || (dump.path && dump.path[0] != '/'));
		MUST(dump.count >= 0 && dump.stat.czxid >= 0 && dump.stat.mzxid >= 0 && (dump.data || dump.len == 0));
		fuzz_abroad(true);
		const char *line = dump_encode(&arena, &dump, &len);
		fuzz_abroad(false);
		MUST(line && !memchr(line, '\n', len) && dump_decode(&arena, line, len, &again, &why));
		same(&dump, &again);
	} else {
		MUST(why && *why && strcmp(why, "out of memory") != 0);
	}
	arena_free(&arena);
	return 0;
}
