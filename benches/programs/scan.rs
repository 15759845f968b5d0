//! `scan FILE`: reads every record of a CSV file with the `csv` crate on one thread and does nothing with it.

pub fn run(args: &[String]) {
    let [path] = args else { panic!("usage: scan FILE") };
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 20).from_path(path).expect("a CSV file");
    let mut record = csv::ByteRecord::new();
    let (mut rows, mut bytes) = (0_u64, 0_u64);
    while reader.read_byte_record(&mut record).expect("a record") {
        rows += 1;
        bytes += record.as_slice().len() as u64;
    }
    println!("{{\"rows\": {rows}, \"bytes\": {bytes}}}");
}
