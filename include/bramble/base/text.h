/* Text for people: the nearest of some words, and numbers as they are read best. */
#ifndef BRAMBLE_BASE_TEXT_H
#define BRAMBLE_BASE_TEXT_H

#include <stddef.h>

/* The word among words[0..n) that is nearest to `word` by edit distance, if it is near enough to be meant; NULL if none is. */
const char *br_text_nearest(const char *word, const char *const *words, size_t n);

/* "3.4 MB" and the like into text (at least 32 bytes); returns text. */
const char *br_text_bytes(double bytes, char *text);
/* "1m23s", "4.2 s", "310 ms". */
const char *br_text_seconds(double seconds, char *text);
/* Bytes from "900MB", "1.5GB", "64k", "1000"; units of 1,000, KiB and so on of 1,024. Negative result: not a size. */
double br_text_parse_bytes(const char *text);

#endif
