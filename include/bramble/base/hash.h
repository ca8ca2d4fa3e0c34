/* Hashes: SHA-256 for what people compare (it equals `sha256sum FILE`), a fast 64-bit one for what ranks compare. */
#ifndef BRAMBLE_BASE_HASH_H
#define BRAMBLE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A 64-bit hash of `bytes` bytes, continued from `seed` (0 to start). The same on every machine of one byte order.
 * Four multiply-and-rotate lanes; for finding differences, not against an enemy. */
uint64_t br_hash64(uint64_t seed, const void *data, size_t bytes);

/* SHA-256 of a file's content as 64 hexadecimal digits and a 0. Errors: BR_ERROR_DATA when it cannot be read. */
int br_hash_file(const char *path, char hex[65]);
/* The same of a block of memory. */
void br_hash_memory(const void *data, size_t bytes, char hex[65]);

#endif
