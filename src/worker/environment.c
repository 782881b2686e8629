#include "worker/environment.h"

#include <stdlib.h>
#include <string.h>

#include "codec/path.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const inherited[] = { "PATH", "HOME", "LANG", "TZ" };
#define INHERITED_COUNT (sizeof inherited / sizeof *inherited)
#define OWN_COUNT 7

static bool
same_name(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* Puts entry into list, in the place of one of the same name if there is one that may be replaced. */
static void
put(const char **list, size_t fixed, size_t *count, const char *entry)
{
	size_t name_len = strcspn(entry, "=");

	for (size_t i = 0; i < *count; i++) {
		if (strncmp(list[i], entry, name_len + 1) != 0)
			continue;
		if (i >= fixed)
			list[i] = entry;
		return;
	}
	list[(*count)++] = entry;
}

const char *const *
environment_of(struct arena *arena, const struct node *claim, const struct task_spec *spec, const char **path)
{
	struct task_id id = { 0 };
	char id_text[ID_MAX + 1], fence[33];
	size_t count = 0, wanted = 0;

	while (spec->env && spec->env[wanted])
		wanted++;
	const char **list = arena_alloc(arena, (OWN_COUNT + INHERITED_COUNT + wanted + 1) * sizeof *list);
	if (!list)
		return NULL;
	memcpy(id.queue, claim->queue, sizeof id.queue);
	id.seg = claim->seg;
	memcpy(id.token, claim->task.token, sizeof id.token);
	id_write(&id, id_text);
	fence_write(claim->fence, fence);
	list[count++] = arena_printf(arena, "ZKQ_INC=%s", claim->inc);
	list[count++] = arena_printf(arena, "ZKQ_ID=%s", id_text);
	list[count++] = arena_printf(arena, "ZKQ_FENCE=%s", fence);
	list[count++] = arena_printf(arena, "ZKQ_ATTEMPT=%u", claim->run);
	list[count++] = arena_printf(arena, "ZKQ_QUEUE=%s", claim->queue);
	list[count++] = arena_printf(arena, "ZKQ_WORKER=%s", claim->worker);
	list[count++] = arena_printf(arena, "ZKQ_NAME=%s", spec->name ? spec->name : "");
	size_t fixed = count;
	for (size_t i = 0; i < INHERITED_COUNT; i++) {
		const char *value = getenv(inherited[i]);
		if (!value && i == 0)
			value = PATH_DEFAULT;
		if (value)
			list[count++] = arena_printf(arena, "%s=%s", inherited[i], value);
	}
	if (arena->failed)
		return NULL;
	for (size_t i = 0; i < wanted; i++)
		put(list, fixed, &count, spec->env[i]);
	list[count] = NULL;
	*path = NULL;
	for (size_t i = 0; i < count; i++) {
		if (same_name(list[i], "PATH"))
			*path = list[i] + 5;
	}
	return list;
}
