/*
 * words.h: what each server of an ensemble tells without a session: the four-letter words, which an operator's
 * configuration may forbid (all but srvr, by default). For people and for diagnosis; nothing may depend on it.
 */
#ifndef ZKQ_ZK_WORDS_H
#define ZKQ_ZK_WORDS_H

#include <stdbool.h>

enum word { WORD_SRVR, WORD_CONF, WORD_MNTR, WORDS };

enum word_state {
	WORD_SILENT,	/* no answer: not reachable, or closed without one */
	WORD_REFUSED,	/* not in the whitelist of the server */
	WORD_SAID,	/* text */
};

struct words_server {
	char name[304];		/* "zk1:2181" as in hosts */
	const char *why;	/* static phrase: why it cannot be reached; NULL = it can */
	char address[64];	/* that answered */
	int connect_ms;
	enum word_state state[WORDS];
	char *text[WORDS];	/* NUL-terminated, at most 64 KiB of it; NULL unless WORD_SAID */
	bool large_known, large_ok;	/* whether it takes requests of REQUEST_BYTES_MAX: jute.maxbuffer */
};

struct words {
	struct words_server *servers;
	int count;
};

/* Asks every server of "host[:port],...", all at once. Blocks for at most about timeout_ms, and as long as the
 * name servers let it. NULL when memory runs out. */
struct words *words_ask(const char *hosts, int timeout_ms);
void words_free(struct words *words);

#endif
