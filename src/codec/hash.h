/*
 * hash.h: the hash that names classes and keys in the tree.
 */
#ifndef ZKQ_CODEC_HASH_H
#define ZKQ_CODEC_HASH_H

#include <stddef.h>
#include <stdint.h>

/* 64-bit hash of a text: FNV-1a folded through splitmix64's finaliser. Never 0, which stands for "no key". */
uint64_t text_hash(const char *text, size_t len);

#endif
