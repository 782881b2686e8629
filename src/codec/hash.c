#include "codec/hash.h"

uint64_t
text_hash(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;	/* FNV-1a: offset basis and prime of 64 bits */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111eb;
	hash ^= hash >> 31;
	return hash ? hash : 1;
}
