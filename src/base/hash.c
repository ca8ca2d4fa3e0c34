/* SHA-256 by libmd; the 64-bit hash is for checksums of weights and data between ranks. */
#include <bramble/base/error.h>
#include <bramble/base/hash.h>

#include <errno.h>
#include <sha2.h>
#include <string.h>

static uint64_t mix(uint64_t lane, uint64_t word) {
  lane ^= word * 0x9E3779B97F4A7C15u;
  lane = lane << 29 | lane >> 35;
  return lane * 0xBF58476D1CE4E5B9u;
}

uint64_t br_hash64(uint64_t seed, const void *data, size_t bytes) {
  const unsigned char *p = data;
  uint64_t lane[4] = {seed + 1, seed + 2, seed + 3, seed + 4}, word[4];
  size_t left = bytes;
  for (; left >= 32; left -= 32, p += 32) {
    memcpy(word, p, 32);
    for (int i = 0; i < 4; i++) lane[i] = mix(lane[i], word[i]);
  }
  memset(word, 0, sizeof word);
  memcpy(word, p, left);
  for (int i = 0; i < 4; i++) lane[i] = mix(lane[i], word[i]);
  uint64_t h = mix(bytes, lane[0]);
  for (int i = 1; i < 4; i++) h = mix(h, lane[i]);
  return h ^ h >> 32;
}

int br_hash_file(const char *path, char hex[65]) {
  if (!SHA256File(path, hex)) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(errno));
  return BR_OK;
}

void br_hash_memory(const void *data, size_t bytes, char hex[65]) { SHA256Data(data, bytes, hex); }
