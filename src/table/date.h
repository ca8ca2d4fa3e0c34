/* Dates as text, and their parts. */
#ifndef BRAMBLE_SRC_TABLE_DATE_H
#define BRAMBLE_SRC_TABLE_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds since 1970 of "2018-06-23", "2018-06-23 17:05[:30[.25]]", T for the blank, Z or +02:00 at the end; false if it is none. */
bool br__date_parse(const unsigned char *text, size_t length, int64_t *seconds);

/* The same of a text of a form as of strptime in the C locale: %Y %y %m %d %e %b %B %H %I %p %M %S %a %A %z %% (a is passed over, .25 behind %S too),
 * a blank for any number of blanks, other characters for themselves. Days need at least year and month; what a form lacks is the first. */
bool br__date_parse_as(const char *format, const unsigned char *text, size_t length, int64_t *seconds);
/* Errors: BR_ERROR_USAGE for a form with unknown letters, or without a year. */
int br__date_check_format(const char *format);
bool br__date_has_hour(const char *format);

enum br__date_part { BR__DATE_YEAR, BR__DATE_MONTH, BR__DATE_DAY, BR__DATE_WEEKDAY, BR__DATE_HOUR, BR__DATE_PARTS };
extern const char *const br__date_part_names[BR__DATE_PARTS];
/* Months and days from 1, weekdays from 1 (Monday) to 7, hours from 0. */
void br__date_split(int64_t seconds, int part[BR__DATE_PARTS]);

#endif
