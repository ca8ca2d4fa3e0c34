/* Dates in ISO form or another as seconds since 1970, and back into their parts. The calendar is the Gregorian one, computed in whole numbers (the
 * method of eras of 400 years). */
#include "date.h"

#include <bramble/base/error.h>

#include <string.h>

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

static const int month_days[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

bool br__date_parse(const unsigned char *text, size_t length, int64_t *seconds) {
  int year, month, day, hour, minute;
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

/* --- other forms --------------------------------------------------------------------------------------------------------- */

struct reading {
  const unsigned char *at, *end;
  int year, month, day, hour, minute, second, zone; /* zone: seconds east */
  bool afternoon, half_day;
};

/* Up to `most` digits. */
static bool number(struct reading *r, int most, int low, int high, int *out) {
  int value = 0, n = 0;
  for (; n < most && r->at < r->end && *r->at >= '0' && *r->at <= '9'; n++) value = value * 10 + (*r->at++ - '0');
  *out = value;
  return n > 0 && value >= low && value <= high;
}

/* One of `n` words, which three letters tell apart, whole or those three. */
static bool word(struct reading *r, const char *const *words, int n, int *out) {
  for (int i = 0; i < n; i++) {
    size_t k = 0, left = (size_t)(r->end - r->at);
    while (words[i][k] && k < left && (r->at[k] | 0x20) == (words[i][k] | 0x20)) k++;
    if (words[i][k] && k < 3) continue;
    r->at += words[i][k] ? 3 : k;
    *out = i;
    return true;
  }
  return false;
}

static bool zone(struct reading *r) {
  int hours, minutes = 0, sign;
  if (r->at < r->end && *r->at == 'Z') return r->at++, true;
  if (r->at == r->end || (*r->at != '+' && *r->at != '-')) return false;
  sign = *r->at++ == '-' ? -1 : 1;
  if (!number(r, 2, 0, 23, &hours)) return false;
  if (r->at < r->end && *r->at == ':') r->at++;
  if (r->at < r->end && *r->at >= '0' && *r->at <= '9' && !number(r, 2, 0, 59, &minutes)) return false;
  r->zone = sign * (hours * 3600 + minutes * 60);
  return true;
}

static bool directive(struct reading *r, char letter) {
  static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
  static const char *const days[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}, *const halves[] = {"AM", "PM"};
  int value;
  switch (letter) {
    case 'Y': return number(r, 4, 0, 9999, &r->year);
    case 'y':
      if (!number(r, 2, 0, 99, &value)) return false;
      r->year = value + (value < 69 ? 2000 : 1900); /* as POSIX says */
      return true;
    case 'm': return number(r, 2, 1, 12, &r->month);
    case 'd':
    case 'e': return number(r, 2, 1, 31, &r->day);
    case 'b':
    case 'B':
      if (!word(r, months, 12, &value)) return false;
      r->month = value + 1;
      return true;
    case 'a':
    case 'A': return word(r, days, 7, &value);
    case 'H': return number(r, 2, 0, 23, &r->hour);
    case 'I': return number(r, 2, 1, 12, &r->hour) && (r->half_day = true);
    case 'p':
      if (!word(r, halves, 2, &value)) return false;
      r->afternoon = value == 1;
      return true;
    case 'M': return number(r, 2, 0, 59, &r->minute);
    case 'S':
      if (!number(r, 2, 0, 60, &r->second)) return false;
      if (r->at < r->end && *r->at == '.')
        for (r->at++; r->at < r->end && *r->at >= '0' && *r->at <= '9';) r->at++;
      return true;
    case 'z': return zone(r);
    case '%': return r->at < r->end && *r->at++ == '%';
    default: return false;
  }
}

bool br__date_parse_as(const char *format, const unsigned char *text, size_t length, int64_t *seconds) {
  struct reading r = {.at = text, .end = text + length, .year = 1970, .month = 1, .day = 1};
  for (const char *f = format; *f; f++) {
    if (*f == ' ') {
      while (r.at < r.end && *r.at == ' ') r.at++;
    } else if (*f == '%') {
      if (!directive(&r, *++f)) return false;
    } else if (r.at == r.end || *r.at++ != (unsigned char)*f) {
      return false;
    }
  }
  if (r.at != r.end || r.day > month_days[r.month]) return false;
  int hour = r.half_day ? r.hour % 12 + (r.afternoon ? 12 : 0) : r.hour;
  *seconds = days_of(r.year, r.month, r.day) * 86400 + hour * 3600 + r.minute * 60 + r.second - r.zone;
  return true;
}

int br__date_check_format(const char *format) {
  bool year = false;
  for (const char *f = format; *f; f++) {
    if (*f != '%') continue;
    f++;
    if (!*f || !strchr("YymdebBaAHIpMSz%", *f)) BR_FAIL(BR_ERROR_USAGE, "--date: the form %s has %%%c, which is not known; there are %%Y %%y %%m %%d %%b %%H %%I %%p %%M %%S %%a %%z", format, *f ? *f : ' ');
    year = year || *f == 'Y' || *f == 'y';
  }
  if (!year) BR_FAIL(BR_ERROR_USAGE, "--date: the form %s has no year: %%Y, or %%y of two digits", format);
  return BR_OK;
}

bool br__date_has_hour(const char *format) { return strstr(format, "%H") || strstr(format, "%I"); }

const char *const br__date_part_names[BR__DATE_PARTS] = {"year", "month", "day", "weekday", "hour"};

void br__date_split(int64_t seconds, int part[BR__DATE_PARTS]) {
  int64_t day = (seconds >= 0 ? seconds : seconds - 86399) / 86400, z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t of_era = z - era * 146097, year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
  part[BR__DATE_DAY] = (int)(of_year - (153 * month + 2) / 5) + 1;
  part[BR__DATE_MONTH] = (int)(month < 10 ? month + 3 : month - 9);
  part[BR__DATE_YEAR] = (int)(year + era * 400 + (part[BR__DATE_MONTH] <= 2));
  part[BR__DATE_WEEKDAY] = (int)((day % 7 + 7 + 3) % 7) + 1; /* 1970-01-01 was a Thursday */
  part[BR__DATE_HOUR] = (int)((seconds - day * 86400) / 3600);
}
