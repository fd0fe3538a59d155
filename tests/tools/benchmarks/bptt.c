/* Backpropagation through time by hand, in plain C: what a careful programmer writes for this one network.
   loss = sum over sequences of |h_T|^2. Parameters and gradients lie in the order W, U, b (per gate, for the LSTM). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void affine(int H, int D, const double *p, const double *h, const double *x, double *z) {
    const double *W = p, *U = p + H * H, *b = U + H * D;
    for (int i = 0; i < H; i++) {
        double s = b[i];
        for (int j = 0; j < H; j++) s += W[i * H + j] * h[j];
        for (int j = 0; j < D; j++) s += U[i * D + j] * x[j];
        z[i] = s;
    }
}

static void affine_back(int H, int D, const double *p, double *g, const double *h, const double *x, const double *dz,
                        double *dh) {
    const double *W = p;
    double *gW = g, *gU = g + H * H, *gb = gU + H * D;
    for (int i = 0; i < H; i++) {
        for (int j = 0; j < H; j++) {
            dh[j] += W[i * H + j] * dz[i];
            gW[i * H + j] += dz[i] * h[j];
        }
        for (int j = 0; j < D; j++) gU[i * D + j] += dz[i] * x[j];
        gb[i] += dz[i];
    }
}

double rnn(int B, int T, int H, int D, const double *p, const double *x, double *g) {
    double *h = malloc(sizeof(double) * (T + 1) * H), *dh = malloc(sizeof(double) * 2 * H), loss = 0.0;
    memset(g, 0, sizeof(double) * (H * H + H * D + H));
    for (int s = 0; s < B; s++, x += T * D) {
        memset(h, 0, sizeof(double) * H);
        for (int t = 0; t < T; t++) {
            affine(H, D, p, h + t * H, x + t * D, h + (t + 1) * H);
            for (int i = 0; i < H; i++) h[(t + 1) * H + i] = tanh(h[(t + 1) * H + i]);
        }
        for (int i = 0; i < H; i++) {
            double last = h[T * H + i];
            loss += last * last;
            dh[i] = 2.0 * last;
        }
        for (int t = T - 1; t >= 0; t--) {
            double *dz = dh + H;
            for (int i = 0; i < H; i++) {
                double out = h[(t + 1) * H + i];
                dz[i] = dh[i] * (1.0 - out * out);
                dh[i] = 0.0;
            }
            affine_back(H, D, p, g, h + t * H, x + t * D, dz, dh);
        }
    }
    free(h);
    free(dh);
    return loss;
}

double lstm(int B, int T, int H, int D, const double *p, const double *x, double *g) {
    int P = H * H + H * D + H, row = 7 * H; /* per step: h, c, i, f, g, o, tanh(c) */
    double *v = calloc((size_t)(T + 1) * row, sizeof(double)), *d = malloc(sizeof(double) * 6 * H), loss = 0.0;
    memset(g, 0, sizeof(double) * 4 * P);
    for (int s = 0; s < B; s++, x += T * D) {
        for (int t = 0; t < T; t++) {
            double *old = v + t * row, *now = old + row;
            for (int k = 0; k < 4; k++) affine(H, D, p + k * P, old, x + t * D, now + (2 + k) * H);
            for (int i = 0; i < H; i++) {
                double in = 1.0 / (1.0 + exp(-now[2 * H + i])), forget = 1.0 / (1.0 + exp(-now[3 * H + i]));
                double cand = tanh(now[4 * H + i]), out = 1.0 / (1.0 + exp(-now[5 * H + i]));
                double c = forget * old[H + i] + in * cand, tc = tanh(c);
                now[i] = out * tc, now[H + i] = c, now[2 * H + i] = in, now[3 * H + i] = forget;
                now[4 * H + i] = cand, now[5 * H + i] = out, now[6 * H + i] = tc;
            }
        }
        double *dh = d, *dc = d + H, *dz = d + 2 * H;
        for (int i = 0; i < H; i++) {
            double last = v[T * row + i];
            loss += last * last, dh[i] = 2.0 * last, dc[i] = 0.0;
        }
        for (int t = T - 1; t >= 0; t--) {
            double *old = v + t * row, *now = old + row;
            for (int i = 0; i < H; i++) {
                double in = now[2 * H + i], forget = now[3 * H + i], cand = now[4 * H + i], out = now[5 * H + i];
                double tc = now[6 * H + i], e = dc[i] + dh[i] * out * (1.0 - tc * tc);
                dz[i] = e * cand * in * (1.0 - in), dz[H + i] = e * old[H + i] * forget * (1.0 - forget);
                dz[2 * H + i] = e * in * (1.0 - cand * cand), dz[3 * H + i] = dh[i] * tc * out * (1.0 - out);
                dc[i] = e * forget, dh[i] = 0.0;
            }
            for (int k = 0; k < 4; k++) affine_back(H, D, p + k * P, g + k * P, old, x + t * D, dz + k * H, dh);
        }
    }
    free(v);
    free(d);
    return loss;
}
