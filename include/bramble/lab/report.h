/* What a sweep found, for people: tables and plots in one HTML file, Markdown, or CSV. The same results give the same bytes. */
#ifndef BRAMBLE_LAB_REPORT_H
#define BRAMBLE_LAB_REPORT_H

enum br_report_format { BR_REPORT_HTML, BR_REPORT_MARKDOWN, BR_REPORT_CSV };

/* *text = the report of the results in `folder` (as br_sweep made it); the caller frees it with free(). Errors: BR_ERROR_DATA, BR_ERROR_USAGE where
 * there are no results or the experiment file in it is not sound. Thread-safe. */
int br_report_make(const char *folder, enum br_report_format format, char **text);

#endif
