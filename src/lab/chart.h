/* One picture of numbers as inline SVG: lines, bars or stacked bars, with axes, error bars and a legend. Colours are classes (.s0 .. .s7), so that the
 * page decides them for light and dark. Private to the room. */
#ifndef LAB_CHART_H
#define LAB_CHART_H

#include <stdbool.h>
#include <stdio.h>

#define BR_CHART_SERIES 16
#define BR_CHART_POINTS 512

struct br_chart_series {
  char name[160];
  int colour;   /* 0 .. 7 */
  bool dashed;  /* lines; hollow bars: what others published */
  double *y, *low, *high; /* by position; NaN: no point. low and high may be NULL */
};

enum br_chart_kind { BR_CHART_LINE, BR_CHART_BAR, BR_CHART_STACKED, BR_CHART_AREA };

struct br_chart {
  const char *title, *x_title, *y_title;
  enum br_chart_kind kind;
  int n; /* positions on the x axis */
  double *x;           /* their values; NULL: they are words */
  const char **labels; /* their words; NULL: numbers are written */
  bool log_x, log_y, zero, small;
  double top; /* where the y axis ends; 0: by the data */
  struct br_chart_series series[BR_CHART_SERIES];
  int n_series;
};

void br_chart_write(const struct br_chart *chart, FILE *out);

/* The style sheet that charts and tables are drawn for. */
extern const char br_page_style[];

/* Text with <, >, & and quotes escaped. */
void br_html_text(FILE *out, const char *text);

#endif
