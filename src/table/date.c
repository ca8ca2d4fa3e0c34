/* Dates in ISO form as seconds since 1970, and back into their parts. The calendar is the Gregorian one, computed in whole numbers (the method
 * of eras of 400 years). */
#include "table.h"

static bool digits(const unsigned char *text, size_t n, int *out) {
  int value = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned digit = (unsigned)text[i] - '0';
    if (digit > 9) return false;
    value = value * 10 + (int)digit;
  }
  *out = value;
  return true;
}

static int64_t days_of(int year, int month, int day) {
  int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* ":30[.25]" and the zone; *seconds is moved. */
static bool rest(const unsigned char *text, size_t length, int64_t *seconds) {
  size_t i = 0;
  int value;
  if (i + 3 <= length && text[i] == ':' && digits(text + i + 1, 2, &value) && value <= 60) {
    *seconds += value;
    i += 3;
    if (i < length && text[i] == '.')
      for (i++; i < length && text[i] >= '0' && text[i] <= '9';) i++;
  }
  if (i == length || (i + 1 == length && text[i] == 'Z')) return true;
  if (text[i] != '+' && text[i] != '-') return false;
  int sign = text[i] == '-' ? -1 : 1, hours, minutes = 0;
  if (i + 3 > length || !digits(text + i + 1, 2, &hours)) return false;
  size_t at = i + 3;
  if (at < length && text[at] == ':') at++;
  if (at < length && (at + 2 != length || !digits(text + at, 2, &minutes))) return false;
  *seconds -= sign * (hours * 3600 + minutes * 60);
  return true;
}

bool br__date_parse(const unsigned char *text, size_t length, int64_t *seconds) {
  int year, month, day, hour, minute;
  static const int month_days[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (length < 10 || text[4] != '-' || text[7] != '-') return false;
  if (!digits(text, 4, &year) || !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day)) return false;
  if (month < 1 || month > 12 || day < 1 || day > month_days[month]) return false;
  *seconds = days_of(year, month, day) * 86400;
  if (length == 10) return true;
  if (length < 16 || (text[10] != ' ' && text[10] != 'T') || text[13] != ':') return false;
  if (!digits(text + 11, 2, &hour) || !digits(text + 14, 2, &minute) || hour > 23 || minute > 59) return false;
  *seconds += hour * 3600 + minute * 60;
  return rest(text + 16, length - 16, seconds);
}
