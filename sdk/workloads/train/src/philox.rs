//! Random numbers as the kernels draw them: pure functions of a counter and a key.

/// What a random number is for: a word of its counter, as in `kernels/steps.cuh`.
pub(crate) const FOR_WEIGHTS: u32 = 0;
/// For what the host alone draws: which samples are held out, and which shard the others go to.
pub(crate) const FOR_SHARDS: u32 = 128;

/// Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3).
pub(crate) fn philox(mut c: [u32; 4], seed: u64) -> [u32; 4] {
    let mut k = [seed as u32, (seed >> 32) as u32];
    for _ in 0..10 {
        let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
        let (first, second) = (product(0xD251_1F53, c[0]), product(0xCD9E_8D57, c[2]));
        c = [(second >> 32) as u32 ^ c[1] ^ k[0], second as u32, (first >> 32) as u32 ^ c[3] ^ k[1], first as u32];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// The upper 24 bits as a float in 0 <= u < 1, exactly.
pub(crate) fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * 5.960_464_5e-8
}

/// Draws of the host, one after the other.
pub(crate) struct Draws {
    seed: u64,
    next: u32,
    purpose: u32,
}

impl Draws {
    pub fn new(seed: u64, purpose: u32) -> Self {
        Self { seed, next: 0, purpose }
    }

    fn words(&mut self) -> [u32; 4] {
        let words = philox([self.next, 0, 0, FOR_SHARDS + (self.purpose << 8)], self.seed);
        self.next += 1;
        words
    }

    /// A number in 0 < u <= 1, with 53 bits.
    pub fn unit(&mut self) -> f64 {
        let [a, b, ..] = self.words();
        let bits = (u64::from(a) << 32 | u64::from(b)) >> 11;
        (bits + 1) as f64 / (1u64 << 53) as f64
    }

    /// A normal deviate (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.unit()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }

    /// A deviate of the gamma distribution (Marsaglia and Tsang 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let u = self.unit();
            return self.gamma(shape + 1.0) * libm::pow(u, 1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v > 0.0 {
                let v = v * v * v;
                if libm::log(self.unit()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                    return d * v;
                }
            }
        }
    }

    /// The numbers below `n` in an order that is drawn.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let j = ((1.0 - self.unit()) * (i + 1) as f64) as usize;
            order.swap(i, j.min(i));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the known answers of Random123.
    #[test]
    fn philox_gives_its_known_answers() {
        assert_eq!(philox([0; 4], 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let all = u32::MAX;
        assert_eq!(philox([all; 4], u64::MAX), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn draws_are_spread() {
        let mut draws = Draws::new(3, 1);
        let mut order = draws.order(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000));
        for shape in [0.3, 4.0] {
            let mean = (0..4000).map(|_| draws.gamma(shape)).sum::<f64>() / 4000.0;
            assert!((mean / shape - 1.0).abs() < 0.15, "{shape}: {mean}");
        }
    }
}
