/* Trees as lines of JSON. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "codec/dump.h"
#include "codec/json_fields.h"

static const char format_word[] = "zkq-export/1";

static void
add_acl(struct text *text, const struct dump *dump)
{
	static const char letters[] = "rwcda";

	text_key(text, "acl");
	text_words(text, "[");
	for (int i = 0; i < dump->acl_count; i++) {
		char perms[sizeof letters] = "";
		size_t len = 0;

		for (int bit = 0; letters[bit]; bit++)
			if (dump->acl[i].perms & 1 << bit)
				perms[len++] = letters[bit];
		text_words(text, i ? ",\"" : "\"");
		text_words(text, perms);
		text_words(text, " ");
		char entry[512];
		int most = snprintf(entry, sizeof entry, "%s:%s", dump->acl[i].scheme, dump->acl[i].id);
		for (int k = 0; k < most && k < (int)sizeof entry - 1; k++) {
			bool plain = (unsigned char)entry[k] >= ' ' && (unsigned char)entry[k] < 0x7f &&
			    entry[k] != '"' && entry[k] != '\\';

			text_raw(text, plain ? &entry[k] : "?", 1);
		}
		text_words(text, "\"");
	}
	text_words(text, "]");
}

static void
add_znode(struct text *text, const struct dump *dump)
{
	char owner[24];

	text_string(text, "path", dump->path);
	if (dump->len && text_quoted_len(dump->data, dump->len)) {
		text_key(text, "data");
		text_quoted(text, dump->data, dump->len);
	} else if (dump->len) {
		text_key(text, "data_base64");
		text_base64(text, dump->data, dump->len);
	}
	text_int(text, "version", dump->stat.version);
	text_int(text, "czxid", dump->stat.czxid);
	text_int(text, "mzxid", dump->stat.mzxid);
	text_time(text, "created", dump->stat.ctime_ms);
	text_time(text, "changed", dump->stat.mtime_ms);
	if (dump->stat.owner) {
		snprintf(owner, sizeof owner, "%llx", (unsigned long long)dump->stat.owner);
		text_string(text, "ephemeral", owner);
	}
	if (dump->acl)
		add_acl(text, dump);
}

const char *
dump_encode(struct arena *arena, const struct dump *dump, size_t *len)
{
	struct text text;

	text_open(&text, arena);
	if (dump->kind == DUMP_HEAD) {
		text_string(&text, "format", format_word);
		text_string(&text, "root", dump->root);
		text_string(&text, "by", dump->by);
		text_time(&text, "at", dump->at_wall_ms);
	} else if (dump->kind == DUMP_END) {
		text_int(&text, "end", dump->count);
	} else {
		add_znode(&text, dump);
	}
	return text_close(&text, len);
}

static void
read_znode(struct reader *reader, struct dump *dump)
{
	json_t *data = read_field(reader, "data");

	dump->kind = DUMP_ZNODE;
	dump->path = read_string(reader, "path");
	if (!dump->path || dump->path[0] == '/')
		reader_fail(reader, "path", dump->path ? "must be below the root" : "missing");
	dump->data = data ? read_string(reader, "data") : read_base64(reader, "data_base64", &dump->len);
	if (data && json_is_string(data))
		dump->len = json_string_length(data);
	dump->stat.version = (int32_t)read_int(reader, "version", INT32_MIN, INT32_MAX, 0);
	dump->stat.czxid = read_int(reader, "czxid", 0, INT64_MAX, 0);
	dump->stat.mzxid = read_int(reader, "mzxid", 0, INT64_MAX, 0);
	dump->stat.owner = read_string(reader, "ephemeral") != NULL;
}

bool
dump_decode(struct arena *arena, const char *line, size_t len, struct dump *dump, const char **why)
{
	struct reader reader;

	*dump = (struct dump){ .kind = DUMP_ZNODE };
	if (reader_open(&reader, arena, line, len)) {
		const char *format = read_string(&reader, "format");

		if (format && strcmp(format, format_word) != 0)
			reader_fail(&reader, "format", "is not zkq-export/1");
		if (format) {
			dump->kind = DUMP_HEAD;
			dump->root = read_string(&reader, "root");
		} else if (read_field(&reader, "end")) {
			dump->kind = DUMP_END;
			dump->count = read_int(&reader, "end", 0, INT64_MAX, 0);
		} else {
			read_znode(&reader, dump);
		}
		if (reader_close(&reader))
			return true;
	}
	*why = reader.why;
	return false;
}
