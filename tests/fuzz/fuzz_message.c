/* What the processes of a worker tell each other. Nonsense is refused without harm; what is taken for a message can be sent
 * on, and is the same message then. */
#include <string.h>

#include "fuzz.h"
#include "worker/message.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct message message, again;
	size_t len, len_again;

	if (message_decode(&arena, (const char *)data, size, &message)) {
		MUST(message.kind < MESSAGES);
		const char *text = message_encode(&arena, &message, &len);
		MUST(text && message_decode(&arena, text, len, &again));
		const char *text_again = message_encode(&arena, &again, &len_again);
		MUST(text_again && len == len_again && memcmp(text, text_again, len) == 0);
	}
	arena_free(&arena);
	return 0;
}
