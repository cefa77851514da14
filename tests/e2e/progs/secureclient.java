// SPDX-License-Identifier: Apache-2.0
// secureclient.java PORT: a connection of JSSE, kept, with a request every 100 ms until it is ended.
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

public class Secureclient {
	static class Anyone implements X509TrustManager {
		public X509Certificate[] getAcceptedIssuers() {
			return null;
		}
		public void checkClientTrusted(X509Certificate[] chain, String type) {}
		public void checkServerTrusted(X509Certificate[] chain, String type) {}
	}

	public static void main(String[] args) throws Exception {
		SSLContext context = SSLContext.getInstance("TLS");
		byte[] held = new byte[65536];
		context.init(null, new TrustManager[] {new Anyone()}, null);
		SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket(
				"127.0.0.1", Integer.parseInt(args[0]));
		while (true) {
			s.getOutputStream().write("GET /ok HTTP/1.1\r\nHost: h\r\n\r\n".getBytes());
			if (s.getInputStream().read(held) <= 0)
				throw new Exception("the server hung up");
			System.out.println("answered");
			Thread.sleep(100);
		}
	}
}
