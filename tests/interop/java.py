"""Programs for Java's HttpClient, which takes HTTP/2 over TLS alone."""

# A class that programs have behind their own: TLS that believes any certificate, for any name.
TRUSTING = """
class Trusting extends javax.net.ssl.X509ExtendedTrustManager {
    static javax.net.ssl.SSLContext context() throws Exception {
        System.setProperty("jdk.internal.httpclient.disableHostnameVerification", "true");
        var tls = javax.net.ssl.SSLContext.getInstance("TLS");
        tls.init(null, new javax.net.ssl.TrustManager[] {new Trusting()}, null);
        return tls;
    }
    public void checkClientTrusted(java.security.cert.X509Certificate[] c, String a) {}
    public void checkServerTrusted(java.security.cert.X509Certificate[] c, String a) {}
    public void checkClientTrusted(java.security.cert.X509Certificate[] c, String a, java.net.Socket s) {}
    public void checkServerTrusted(java.security.cert.X509Certificate[] c, String a, java.net.Socket s) {}
    public void checkClientTrusted(java.security.cert.X509Certificate[] c, String a, javax.net.ssl.SSLEngine e) {}
    public void checkServerTrusted(java.security.cert.X509Certificate[] c, String a, javax.net.ssl.SSLEngine e) {}
    public java.security.cert.X509Certificate[] getAcceptedIssuers() { return null; }
}
"""
