/* What a worker, or who has taken its port, answers to those who read logs: the client's half of HTTP. The first byte
 * cuts the answer into pieces; the result is the same as in one piece. */
#include "config.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/http.h"

#define INPUT_MAX 60000		/* what a socket takes at once */

struct got {
	struct http http;
	char body[INPUT_MAX];
	size_t len;
};

static void
take(void *context, const void *data, size_t size)
{
	struct got *got = context;

	MUST(http_open_now(&got->http) && size > 0 && size <= sizeof got->body - got->len);
	memcpy(got->body + got->len, data, size);
	got->len += size;
}

/* Each piece is read before the next one comes; then the connection ends. */
static void
answer(struct got *got, const uint8_t *data, size_t size, size_t piece)
{
	int pair[2];

	memset(got, 0, offsetof(struct got, body));
	got->len = 0;
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	got->http.fd = pair[0];
	got->http.state = HTTP_HEADERS;
	for (size_t at = 0; at < size && http_open_now(&got->http); at += piece) {
		size_t now = size - at < piece ? size - at : piece;

		MUST(send(pair[1], data + at, now, MSG_NOSIGNAL) == (ssize_t)now);
		http_work(&got->http, take, got);
	}
	close(pair[1]);
	for (int i = 0; i < 3 && http_open_now(&got->http); i++)
		http_work(&got->http, take, got);
	MUST(!http_open_now(&got->http) && got->http.fd < 0 && http_events(&got->http) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct got whole, pieces;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	answer(&whole, data + 1, size - 1, INPUT_MAX);
	MUST(whole.http.state == HTTP_END || whole.http.state == HTTP_REFUSED || whole.http.state == HTTP_BROKEN);
	MUST(whole.http.state != HTTP_REFUSED || (whole.http.status != 200 && whole.len == 0));
	answer(&pieces, data + 1, size - 1, 1 + data[0]);
	MUST(whole.http.state == pieces.http.state && whole.len == pieces.len);
	MUST(memcmp(whole.body, pieces.body, whole.len) == 0);
	MUST(whole.http.from_known == pieces.http.from_known && whole.http.from == pieces.http.from);
	return 0;
}
