/* Every other record; the first byte chooses which. What can be read can be written, and is the same from then on, in every
 * locale. */
#include <string.h>

#include "codec/json.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct record record, again;
	const char *why;
	size_t len, len_again;

	if (size == 0)
		return 0;
	enum record_kind kind = (enum record_kind)((unsigned)(data[0] - 'A') % REC_KINDS);
	fuzz_abroad(false);
	if (record_decode(&arena, kind, (const char *)data + 1, size - 1, &record, &why)) {
		MUST(!why);
		fuzz_abroad(true);
		const char *text = record_encode(&arena, &record, &len);

		MUST(text && record.kind == kind);
		MUST(record_decode(&arena, kind, text, len, &again, &why));
		fuzz_abroad(false);
		const char *text_again = record_encode(&arena, &again, &len_again);
		MUST(text_again && len == len_again && memcmp(text, text_again, len) == 0);
	} else {
		MUST(why && *why && strcmp(why, "out of memory") != 0);
	}
	arena_free(&arena);
	return 0;
}
