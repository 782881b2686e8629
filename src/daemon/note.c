#include "config.h"

#include "daemon/note.h"

#include "base/log.h"
#include "core/plan.h"

void
note_log(const struct effect *effect)
{
	static const enum log_level levels[] = {
		[NOTE_ERROR] = LEVEL_ERROR, [NOTE_WARNING] = LEVEL_WARNING, [NOTICE] = LEVEL_INFO, [NOTE_INFO] = LEVEL_INFO,
		[NOTE_DEBUG] = LEVEL_DEBUG,
	};

	log_write(levels[effect->note.level], "%s", effect->note.text);
}
