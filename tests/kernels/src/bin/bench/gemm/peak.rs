//! What a GPU could do at most.

/// Multiplications with an addition that a multiprocessor makes in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of floats of 32 bits, without tensor cores.
    pub floats: u64,
    /// Of bytes, by tensor cores, without sparsity.
    pub bytes: u64,
}

/// The rates of a compute capability, where they are known here.
///
/// Floats: CUDA C++ Programming Guide, "Arithmetic Instructions", the table of the throughput of native arithmetic instructions, line
/// "32-bit floating-point add, multiply, multiply-add". Bytes: what NVIDIA's whitepapers of the architectures give as dense INT8
/// operations a second of one GPU, divided by two, its multiprocessors and the boost clock that they count with: A100 (624 10^12,
/// 108, 1410 MHz), GA102 (RTX 3090: 284, 82, 1695), AD102 (RTX 4090: 660.6, 128, 2520), H100 SXM (1979, 132, 1830).
pub fn rates(capability: (u32, u32)) -> Option<Rates> {
    match capability {
        (8, 0) => Some(Rates { floats: 64, bytes: 2048 }),
        (8, 6 | 9) => Some(Rates { floats: 128, bytes: 1024 }),
        (9, 0) => Some(Rates { floats: 128, bytes: 4096 }),
        _ => None,
    }
}

/// Operations a second, of which a multiplication with an addition is two.
pub fn peak(processors: u64, kilohertz: u64, rate: u64) -> f64 {
    2.0 * (processors * rate) as f64 * (kilohertz as f64 * 1e3)
}

/// Operations of a product of squares.
pub fn operations(size: usize) -> f64 {
    2.0 * (size as f64).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What NVIDIA gives for its GPUs, within a hundredth.
    #[test]
    fn peaks_are_those_of_data_sheets() {
        let near = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.01, "{found:e} {expected:e}");
        for (capability, processors, megahertz, floats, bytes) in [
            ((8, 0), 108, 1410, 19.5e12, 624e12),
            ((8, 6), 82, 1695, 35.6e12, 284e12),
            ((8, 9), 128, 2520, 82.6e12, 660.6e12),
        ] {
            let rates = rates(capability).unwrap();
            near(peak(processors, megahertz * 1000, rates.floats), floats);
            near(peak(processors, megahertz * 1000, rates.bytes), bytes);
        }
        // That of bytes is for another clock than that of floats.
        let rates = rates((9, 0)).unwrap();
        near(peak(132, 1_980_000, rates.floats), 66.9e12);
        near(peak(132, 1_830_000, rates.bytes), 1979e12);
        assert_eq!(super::rates((7, 5)), None);
        assert_eq!(super::rates((12, 1)), None);
    }

    #[test]
    fn a_product_of_squares_has_two_operations_for_each_term() {
        assert_eq!(operations(1024), 2_147_483_648.0);
    }
}
