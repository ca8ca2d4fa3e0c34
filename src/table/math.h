/* exp, log and what statistics needs, in double, the same bits on every machine: additions, multiplications and divisions only, one after
 * another as written. (libm's differ between machines in the last bit.) */
#ifndef BRAMBLE_SRC_TABLE_MATH_H
#define BRAMBLE_SRC_TABLE_MATH_H

double br__exp(double x);  /* within 2 ulp; 0 below -745, inf above 709.78 */
double br__log(double x);  /* within 2 ulp; NaN below 0, -inf at 0 */
double br__log1p_exp(double x); /* log(1 + e^x) without overflow */
/* Probability that Student's t with that many degrees of freedom is farther from 0 than t (two-sided); relative error below 1e-10. */
double br__student_p(double t, double freedom);

#endif
