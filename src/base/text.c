/* Small help for messages. */
#include <bramble/base/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Levenshtein's distance of words of at most 63 letters. */
static int distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  if (n > 63 || m > 63) return 99;
  int row[64];
  for (size_t j = 0; j <= m; j++) row[j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      int best = diagonal + (a[i - 1] != b[j - 1]);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[m];
}

const char *br_text_nearest(const char *word, const char *const *words, size_t n) {
  const char *nearest = NULL;
  int limit = 1 + (int)strlen(word) / 3, best = limit + 1;
  for (size_t i = 0; i < n; i++) {
    int d = distance(word, words[i]);
    if (d < best) best = d, nearest = words[i];
  }
  return nearest;
}

const char *br_text_bytes(double bytes, char *text) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
  int unit = 0;
  while (bytes >= 999.5 && unit < 4) bytes /= 1000, unit++;
  snprintf(text, 32, bytes < 9.95 && unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
  return text;
}

const char *br_text_seconds(double seconds, char *text) {
  if (seconds < 0.9995)
    snprintf(text, 32, "%.0f ms", seconds * 1e3);
  else if (seconds < 99.95)
    snprintf(text, 32, "%.1f s", seconds);
  else if (seconds < 5999.5)
    snprintf(text, 32, "%dm%02ds", (int)(seconds + 0.5) / 60, (int)(seconds + 0.5) % 60);
  else
    snprintf(text, 32, "%dh%02dm", (int)(seconds / 60 + 0.5) / 60, (int)(seconds / 60 + 0.5) % 60);
  return text;
}

double br_text_parse_bytes(const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || !(value >= 0)) return -1;
  static const struct {
    const char *unit;
    double factor;
  } units[] = {{"", 1}, {"B", 1}, {"k", 1e3}, {"kB", 1e3}, {"M", 1e6}, {"MB", 1e6}, {"G", 1e9}, {"GB", 1e9}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcasecmp(end, units[i].unit) == 0) return value * units[i].factor;
  return -1;
}
